"""Bytes of photos, sound ones and PNG files of any header, of which the hostile ones are made."""

import io
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image

_SIZE = (48, 40)


@cache
def picture(mode: str = "RGB", size: tuple[int, int] = _SIZE) -> Image.Image:
    """Noise, of any mode."""
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    photo = Image.fromarray(values)
    if mode == "I;16":
        return Image.fromarray(values[:, :, 0].astype(np.uint16) * 257)
    return photo if mode == "RGB" else photo.convert(mode)


def encoded(photo: Image.Image, image_format: str, **options: object) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    photo.save(file, image_format, **options)
    return file.getvalue()


@cache
def heic(size: tuple[int, int] = _SIZE) -> bytes:
    """A photo of a phone."""
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(picture(size=size)).save(file, quality=50)
    return file.getvalue()


@cache
def seeds() -> dict[str, bytes]:
    """A sound photo of each format that is read."""
    photo = picture()
    return {
        "jpg": encoded(photo, "JPEG"),
        "png": encoded(photo, "PNG"),
        "webp": encoded(photo, "WEBP"),
        "avif": encoded(photo, "AVIF"),
        "heic": heic(),
    }


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file, with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, colour: int, *extra: bytes, rows: int | None = None) -> bytes:
    """A black PNG file with extra chunks after its header, and as many rows as it says or as many as are given."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    row = b"\0" * (1 + (width * depth * channels + 7) // 8)
    packer = zlib.compressobj(1)
    content = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def looping_tiff() -> bytes:
    """A directory that is its own successor, with one entry of which the value lies far away."""
    entry = struct.pack("<HHII", 0x100, 4, 1, 2**31)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8)

"""Photos that are none, that claim or become more than a photo has, or that are broken: at least 130."""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hostile.case import Case, ImageCase, of_bytes
from tests.hostile.names import FILE
from tests.hostile.photo_files import chunk, encoded, heic, looping_tiff, picture, png, seeds
from tests.hostile.spoilt_photos import spoilt_cases


def photo_cases() -> list[Case]:
    """All of them; the files are made when they are tried."""
    return [
        *_plain(),
        *_bombs(),
        *_of_other_formats(),
        *spoilt_cases(),
        *_no_files(),
    ]


def _plain() -> Iterator[Case]:
    """What is unusual and still a photo."""
    for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16"):
        yield of_bytes(f"png of mode {mode}", lambda mode=mode: encoded(picture(mode), "PNG"), "a.png", True)
    for mode in ("L", "RGB", "CMYK"):
        yield of_bytes(
            f"jpeg of mode {mode}", lambda mode=mode: encoded(picture(mode), "JPEG"), "a.jpg", True
        )
    yield of_bytes("progressive jpeg", lambda: encoded(picture(), "JPEG", progressive=True), "a.jpg", True)
    for suffix, content in (
        ("png", "jpg"),
        ("jpg", "png"),
        ("webp", "avif"),
        ("avif", "webp"),
        ("jpg", "heic"),
    ):
        yield of_bytes(f"{content} named {suffix}", lambda kind=content: seeds()[kind], f"a.{suffix}", True)
    for suffix in seeds():
        yield of_bytes(f"plain {suffix}", lambda kind=suffix: seeds()[kind], f"a.{suffix}", True)
    yield of_bytes(
        "palette with tRNS",
        lambda: encoded(picture("P"), "PNG", transparency=bytes(range(256))),
        "a.png",
        True,
    )
    yield of_bytes(
        "palette with too long tRNS",
        png(32, 32, 8, 3, chunk(b"PLTE", bytes(6)), chunk(b"tRNS", bytes(300))),
        "a.png",
        None,
    )
    yield of_bytes("palette without PLTE", png(32, 32, 8, 3), "a.png", None)
    yield of_bytes("palette of one colour", png(32, 32, 8, 3, chunk(b"PLTE", b"\1\2\3")), "a.png", True)
    yield of_bytes(
        "animated png",
        lambda: encoded(picture(), "PNG", save_all=True, append_images=[picture("L").convert("RGB")] * 3),
        "a.png",
        True,
    )
    yield of_bytes(
        "animated webp",
        lambda: encoded(picture(), "WEBP", save_all=True, append_images=[picture("L").convert("RGB")] * 3),
        "a.webp",
        True,
    )
    yield of_bytes(
        "animated avif",
        lambda: encoded(picture(), "AVIF", save_all=True, append_images=[picture("L").convert("RGB")] * 2),
        "a.avif",
        None,
    )
    yield of_bytes(
        "mpo of two pictures",
        lambda: encoded(picture(), "MPO", save_all=True, append_images=[picture("L").convert("RGB")]),
        "a.jpg",
        True,
    )
    name = f"{FILE} \x1b]0;owned\x07.png"
    yield of_bytes("a name with controls", lambda: seeds()["png"], name, True)
    yield of_bytes("a name with an end of line", lambda: b"no photo", "a\nb\r.png", False, "text")
    yield of_bytes("a name of another alphabet", lambda: seeds()["png"], "猫🐱\u202e.png", True)
    yield of_bytes("a name of 250 letters", lambda: seeds()["png"], "a" * 246 + ".png", True)
    yield of_bytes("a name that begins with a dash", lambda: seeds()["png"], "-rf.png", True)


def _bombs() -> Iterator[Case]:
    """Small files of many pixels, and headers that claim more."""
    yield of_bytes("7000x7000 grey of 16 bits", lambda: png(7000, 7000, 16, 0), "a.png", None)
    yield of_bytes("7000x7000 grey", lambda: png(7000, 7000, 8, 0), "a.png", None)
    yield of_bytes("7000x7000 of one bit", lambda: png(7000, 7000, 1, 0), "a.png", None)
    yield of_bytes("5000x5000 rgba of 16 bits", lambda: png(5000, 5000, 16, 6), "a.png", None)
    yield of_bytes("5000x5000 rgb of 16 bits", lambda: png(5000, 5000, 16, 2), "a.png", None)
    yield of_bytes("5000x5000 grey with alpha of 16 bits", lambda: png(5000, 5000, 16, 4), "a.png", None)
    yield of_bytes(
        "7000x7000 palette with tRNS",
        lambda: png(7000, 7000, 8, 3, chunk(b"PLTE", bytes(768)), chunk(b"tRNS", bytes(256))),
        "a.png",
        None,
    )
    yield of_bytes(
        "16000x3000 webp",
        lambda: encoded(Image.new("RGB", (16000, 3000)), "WEBP", quality=1, method=0),
        "a.webp",
        None,
    )
    yield of_bytes(
        "7000x7000 lossless webp with alpha",
        lambda: encoded(Image.new("RGBA", (7000, 7000)), "WEBP", lossless=True, method=0),
        "a.webp",
        None,
    )
    yield of_bytes(
        "7000x7000 jpeg", lambda: encoded(Image.new("L", (7000, 7000)), "JPEG", quality=1), "a.jpg", None
    )
    yield of_bytes(
        "7000x7000 cmyk jpeg",
        lambda: encoded(Image.new("CMYK", (7000, 7000)), "JPEG", quality=1),
        "a.jpg",
        None,
    )
    yield of_bytes(
        "6000x6000 progressive jpeg",
        lambda: encoded(Image.new("RGB", (6000, 6000)), "JPEG", quality=1, progressive=True),
        "a.jpg",
        None,
    )
    yield of_bytes(
        "4000x4000 avif", lambda: encoded(Image.new("RGB", (4000, 4000)), "AVIF", speed=10), "a.avif", None
    )
    yield of_bytes("1000x1000 heic", lambda: heic((1000, 1000)), "a.heic", None)
    for width, height in (
        (2**31 - 1, 2**31 - 1),
        (10**5, 10**5),
        (50_001, 1000),
        (2**31, 1),
        (0, 0),
        (0, 40),
        (40, 0),
    ):
        name = f"png that claims {width}x{height}"
        yield of_bytes(
            name, png(width, height, 8, 2, rows=0) if width < 10**6 else _claims(width, height), "a.png"
        )
    for width, height in ((65535, 65535), (0, 0), (1, 65535), (65500, 800)):
        yield of_bytes(
            f"jpeg that claims {width}x{height}", lambda w=width, h=height: _resized(w, h), "a.jpg"
        )
    for width, height in ((2**24, 2**24), (1, 2**24), (16383, 16383)):
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        content = b"WEBPVP8X\x0a\0\0\0\0\0\0\0" + size
        data = b"RIFF" + len(content).to_bytes(4, "little") + content
        yield of_bytes(f"webp that claims {width}x{height}", data, "a.webp")
    for width, height in ((1, 1), (1, 4000), (4000, 1), (15, 15), (15, 4000), (3000, 100)):
        yield of_bytes(f"{width}x{height} png", png(width, height, 8, 2), "a.png", False, "pixels")


def _claims(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _resized(width: int, height: int) -> bytes:
    """A JPEG with another size in its header."""
    data = seeds()["jpg"]
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def _of_other_formats() -> Iterator[Case]:
    photo = picture()
    for suffix, image_format in (
        ("gif", "GIF"),
        ("bmp", "BMP"),
        ("tif", "TIFF"),
        ("ico", "ICO"),
        ("ppm", "PPM"),
    ):
        yield of_bytes(image_format, lambda f=image_format: encoded(photo, f), f"a.{suffix}", False, "read")
        yield of_bytes(
            f"{image_format} named png", lambda f=image_format: encoded(photo, f), "a.png", False, "read"
        )
    yield of_bytes("jpeg 2000", lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64), "a.jp2", False, "JPEG 2000")
    yield of_bytes("pdf", b"%PDF-1.7\n1 0 obj << /Type /Catalog >>", "a.pdf", False, "PDF")
    yield of_bytes("postscript", b"%!PS\n(/etc/passwd) run", "a.eps", False, "PostScript")
    entities = b'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(10)
    )
    yield of_bytes("svg of a billion laughs", entities + b"]><svg>&a9;</svg>", "a.svg", False, "SVG")
    yield of_bytes(
        "svg with an entity out of a file",
        b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        "a.png",
        False,
        "SVG",
    )
    yield of_bytes("tiff of 65535 directories", looping_tiff(), "a.tif", False, "TIFF")
    for width, height in ((-40, 40), (40, -40), (2**31 - 1, 2**31 - 1)):
        header = b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        yield of_bytes(f"bmp of {width}x{height}", header, "a.bmp", False, "BMP")
    yield of_bytes("empty", b"", "a.png", False, "empty")
    yield of_bytes("zeros", bytes(10**6), "a.png", False, "no image")
    yield of_bytes("text", b"Dear reader,\n", "a.jpg", False, "text")
    yield of_bytes("half of a letter", "é".encode()[:1] * 9, "a.jpg", False, "no image")
    yield of_bytes(
        "larger than any photo", lambda: b"\xff\xd8\xff" + bytes(21 * 2**20), "a.jpg", False, "too large"
    )


def _no_files() -> Iterator[Case]:
    """Paths at which no regular file is."""

    def pipe(folder: Path) -> Path:
        os.mkfifo(folder / "a.png")
        return folder / "a.png"

    def folder_named(folder: Path) -> Path:
        (folder / "a.png").mkdir()
        return folder / "a.png"

    def loop(folder: Path) -> Path:
        (folder / "a.png").symlink_to("b.png")
        (folder / "b.png").symlink_to("a.png")
        return folder / "a.png"

    def dangling(folder: Path) -> Path:
        (folder / "a.png").symlink_to("none.png")
        return folder / "a.png"

    yield Case("a pipe", pipe, False, "a pipe")
    yield Case("a folder", folder_named)
    yield Case("a loop of links", loop)
    yield Case("a link to nothing", dangling)
    yield Case("no file", lambda folder: folder / "none.png")
    yield Case("a device without end", lambda folder: Path("/dev/zero"))
    yield Case("a device without anything", lambda folder: Path("/dev/null"))
    yield Case("a name of 300 letters", lambda folder: folder / ("a" * 300))


def image_cases() -> list[ImageCase]:
    """Images that a caller makes; no file of a format that is read can hold them."""
    grey = np.zeros((48, 40))
    return [
        ImageCase(
            "of NaN", lambda: Image.fromarray(np.full((48, 40), np.nan, np.float32)), False, "floating"
        ),
        ImageCase(
            "of infinity", lambda: Image.fromarray(np.full((48, 40), np.inf, np.float32)), False, "floating"
        ),
        ImageCase("of fractions", lambda: Image.fromarray(grey.astype(np.float32)), False, "floating"),
        ImageCase(
            "of large integers", lambda: Image.fromarray((grey + 2**30).astype(np.int32)), False, "65535"
        ),
        ImageCase(
            "of negative integers", lambda: Image.fromarray((grey - 1).astype(np.int32)), False, "65535"
        ),
        ImageCase("of no pixel", lambda: Image.new("RGB", (0, 0)), False, "pixels"),
        ImageCase("of one pixel", lambda: Image.new("RGB", (1, 1)), False, "pixels"),
        ImageCase("of a strip", lambda: Image.new("RGB", (3000, 10)), False, "pixels"),
        ImageCase("of 60 million pixels", lambda: Image.new("1", (8000, 7500)), False, "million"),
        ImageCase("in Lab", lambda: Image.new("LAB", (48, 40)), None),
        ImageCase("in HSV", lambda: Image.new("HSV", (48, 40)), True),
        ImageCase("in YCbCr", lambda: Image.new("YCbCr", (48, 40)), True),
    ]

"""Photos that are none, that claim or become more than a photo has, or that are broken: at least 130."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.hostile.case import Case, ImageCase, of_bytes
from tests.hostile.names import FILE

_SIZE = (48, 40)


def photo_cases() -> list[Case]:
    """All of them; the files are made when they are tried."""
    return [
        *_plain(),
        *_bombs(),
        *_of_other_formats(),
        *_cut_short(),
        *_broken_chunks(),
        *_broken_jpegs(),
        *_broken_containers(),
        *_disguised(),
        *_no_files(),
    ]


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
    yield of_bytes("tiff of 65535 directories", _looping_tiff(), "a.tif", False, "TIFF")
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


def _looping_tiff() -> bytes:
    entry = struct.pack("<HHII", 0x100, 4, 1, 2**31)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8)


def _cut_short() -> Iterator[Case]:
    """The first bytes of a sound photo."""
    for suffix in ("jpg", "png", "webp", "avif", "heic"):
        for share in (0.02, 0.1, 0.3, 0.6, 0.9, 0.99):
            yield of_bytes(
                f"{suffix} cut at {100 * share:g} %",
                lambda kind=suffix, share=share: seeds()[kind][: int(len(seeds()[kind]) * share)],
                f"a.{suffix}",
                None,
            )


@cache
def _laughs() -> bytes:
    """A gigabyte of zeros, compressed."""
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(10**7)) for _ in range(100)) + packer.flush()


def _broken_chunks() -> Iterator[Case]:
    yield of_bytes(
        "zTXt of 1 GB", lambda: png(32, 32, 8, 2, chunk(b"zTXt", b"a\0\0" + _laughs())), "a.png", True
    )
    yield of_bytes(
        "iTXt of 1 GB", lambda: png(32, 32, 8, 2, chunk(b"iTXt", b"a\0\1\0\0\0" + _laughs())), "a.png", True
    )
    yield of_bytes(
        "iCCP of 1 GB", lambda: png(32, 32, 8, 2, chunk(b"iCCP", b"a\0\0" + _laughs())), "a.png", True
    )
    yield of_bytes("IDAT of 1 GB", lambda: _with_rows(_laughs()), "a.png", None)
    yield of_bytes(
        "iCCP that is no profile",
        png(32, 32, 8, 2, chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x" * 200))),
        "a.png",
        None,
    )
    yield of_bytes("iCCP without a name", png(32, 32, 8, 2, chunk(b"iCCP", b"")), "a.png", True)
    yield of_bytes("eXIf of nothing", png(32, 32, 8, 2, chunk(b"eXIf", b"")), "a.png", True)
    yield of_bytes(
        "eXIf that points to itself", png(32, 32, 8, 2, chunk(b"eXIf", _looping_tiff())), "a.png", True
    )
    yield of_bytes(
        "eXIf of 65535 entries",
        png(32, 32, 8, 2, chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff" + bytes(60))),
        "a.png",
        True,
    )
    yield of_bytes("tRNS in rgb of one byte", png(32, 32, 8, 2, chunk(b"tRNS", b"\1")), "a.png", None)
    yield of_bytes("tRNS in grey of nothing", png(32, 32, 8, 0, chunk(b"tRNS", b"")), "a.png", None)
    yield of_bytes(
        "a critical chunk that nobody knows", png(32, 32, 8, 2, chunk(b"EVIL", b"x")), "a.png", None
    )
    yield of_bytes(
        "100,000 empty chunks", lambda: png(32, 32, 8, 2, chunk(b"teXt", b"") * 100_000), "a.png", None
    )
    yield of_bytes("two headers", png(32, 32, 8, 2, png(9000, 9000, 8, 2, rows=0)[8:33]), "a.png", None)
    for what, depth, colour in (
        ("depth 3", 3, 0),
        ("colour 7", 8, 7),
        ("depth 16 of a palette", 16, 3),
        ("depth 0", 0, 2),
    ):
        yield of_bytes(what, png(32, 32, depth, colour), "a.png")
    whole = png(32, 32, 8, 2)
    yield of_bytes("a wrong checksum of the header", whole[:29] + b"\0\0\0\0" + whole[33:], "a.png")
    yield of_bytes(
        "a chunk longer than the file", whole[:33] + b"\x7f\xff\xff\xffIDAT" + whole[41:], "a.png", None
    )
    yield of_bytes("no pixels", whole[:33] + chunk(b"IEND", b""), "a.png")
    yield of_bytes(
        "pixels that do not inflate", whole[:33] + chunk(b"IDAT", b"\xff" * 50) + chunk(b"IEND", b""), "a.png"
    )
    yield of_bytes("fewer rows than said", png(32, 32, 8, 2, rows=5), "a.png", None)
    yield of_bytes("interlaced by the header alone", _with(whole, 28, b"\1"), "a.png", None)
    yield of_bytes("rows with unknown filters", lambda: _filters(), "a.png", None)


def _with(data: bytes, at: int, value: bytes) -> bytes:
    """A PNG file with another header, whose checksum is right."""
    header = bytearray(data[12:29])
    header[at - 12 : at - 12 + len(value)] = value
    return data[:12] + bytes(header) + struct.pack(">I", zlib.crc32(header)) + data[33:]


def _with_rows(content: bytes) -> bytes:
    whole = png(32, 32, 8, 2)
    return whole[:33] + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def _filters() -> bytes:
    return _with_rows(zlib.compress(b"".join(bytes([row % 256]) + bytes(96) for row in range(100, 132))))


def _marked(marker: int, content: bytes) -> bytes:
    """A JPEG with a segment behind its beginning."""
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
    return seeds()["jpg"][:2] + segment + seeds()["jpg"][2:]


def _broken_jpegs() -> Iterator[Case]:
    exif = b"Exif\0\0"
    for name, content in {
        "of nothing": b"",
        "cut short": b"II*\0\x08",
        "that points to itself": _looping_tiff(),
        "of orientation 77": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x112, 3, 1, 77) + bytes(4),
        "of orientation 6 as a text": b"II*\0\x08\0\0\0\1\0"
        + struct.pack("<HHII", 0x112, 2, 1, 6)
        + bytes(4),
        "far away": b"MM\0*\xff\xff\xff\xff",
        "of noise": np.random.default_rng(0).bytes(5000),
    }.items():
        yield of_bytes(f"exif {name}", lambda content=content: _marked(0xE1, exif + content), "a.jpg", True)
    yield of_bytes(
        "icc of noise", lambda: _marked(0xE2, b"ICC_PROFILE\0\1\1" + bytes(range(200))), "a.jpg", None
    )
    yield of_bytes(
        "icc in part 9 of 2", lambda: _marked(0xE2, b"ICC_PROFILE\0\x09\2" + bytes(200)), "a.jpg", None
    )
    for transform in (0, 1, 2, 9):
        adobe = b"Adobe\0\x64\0\0\0\0" + bytes([transform])
        yield of_bytes(
            f"adobe transform {transform}", lambda adobe=adobe: _marked(0xEE, adobe), "a.jpg", None
        )
    yield of_bytes("mpo of no pictures", lambda: _marked(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\0"), "a.mpo", None)
    yield of_bytes(
        "mpo of noise", lambda: _marked(0xE2, b"MPF\0" + np.random.default_rng(1).bytes(500)), "a.mpo", None
    )
    yield of_bytes(
        "60,000 comments",
        lambda: seeds()["jpg"][:2] + b"\xff\xfe\0\2" * 60_000 + seeds()["jpg"][2:],
        "a.jpg",
        None,
    )
    yield of_bytes("a beginning alone", b"\xff\xd8\xff", "a.jpg")
    yield of_bytes("a beginning and an end", b"\xff\xd8\xff\xd9", "a.jpg")
    yield of_bytes("a length of 0", b"\xff\xd8\xff\xe0\0\0" + bytes(50), "a.jpg")
    yield of_bytes("bits flipped", lambda: _flipped(seeds()["jpg"], 40), "a.jpg", None)


def _flipped(data: bytes, count: int) -> bytes:
    """Some bits changed, behind the first 30 bytes."""
    changed = bytearray(data)
    for at in np.random.default_rng(0).integers(30, len(data), count):
        changed[at] ^= 1 << (int(at) % 8)
    return bytes(changed)


def _broken_containers() -> Iterator[Case]:
    for kind in ("avif", "heic", "webp"):
        for count in (1, 10, 200):
            name = f"{kind} with {count} flipped bits"
            yield of_bytes(name, lambda k=kind, n=count: _flipped(seeds()[k], n), f"a.{kind}", None)
    for kind in ("avif", "heic"):
        yield of_bytes(
            f"{kind} with a box of 4 GB",
            lambda k=kind: seeds()[k].replace(b"\0\0\0", b"\xff\xff\xff", 3),
            f"a.{kind}",
            None,
        )
        yield of_bytes(f"{kind} of its brand alone", lambda k=kind: seeds()[k][:32], f"a.{kind}")
        yield of_bytes(
            f"{kind} that claims 2 billion pixels",
            lambda k=kind: _ispe(seeds()[k], 2**16, 2**15),
            f"a.{kind}",
            None,
        )
    yield of_bytes("a film", b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + bytes(99), "a.heic", False, "video")
    yield of_bytes("an unknown brand", b"\0\0\0\x14ftypevil\0\0\0\0evil", "a.avif", False, "no image")
    yield of_bytes("vp8 of no size", b"RIFF\x1e\0\0\0WEBPVP8 \x12\0\0\0" + bytes(18), "a.webp")
    yield of_bytes("riff alone", b"RIFF\x04\0\0\0WEBP", "a.webp")


def _ispe(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def _disguised() -> Iterator[Case]:
    """Two kinds of file at once."""
    script = b"GIF89a=1;alert(document.domain);//" + bytes(40)
    yield of_bytes("gif and javascript", script, "a.png", False, "GIF")
    yield of_bytes("pdf and jpeg", lambda: b"%PDF-1.4\n" + seeds()["jpg"], "a.jpg", False, "PDF")
    yield of_bytes("jpeg and php", lambda: seeds()["jpg"] + b"<?php system($_GET[0]); ?>", "a.jpg", True)
    yield of_bytes("jpeg and html", lambda: _marked(0xFE, b"<script>alert(1)</script>"), "a.jpg", True)
    yield of_bytes("zip and png", lambda: seeds()["png"] + _zip(), "a.png", True)
    yield of_bytes("png and zip", lambda: _zip() + seeds()["png"], "a.png", False, "ZIP")
    yield of_bytes("png twice", lambda: seeds()["png"] * 2, "a.png", True)
    yield of_bytes("svg before png", lambda: b"<svg>" + seeds()["png"], "a.png", False, "SVG")


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../../evil", "x")
    return file.getvalue()


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

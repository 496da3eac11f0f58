"""Photos that are cut short, broken within, or two kinds of file at once."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np

from tests.hostile.case import Case, of_bytes
from tests.hostile.photo_files import chunk, looping_tiff, png, seeds


def spoilt_cases() -> Iterator[Case]:
    """All of them."""
    yield from _cut_short()
    yield from _broken_chunks()
    yield from _broken_jpegs()
    yield from _broken_containers()
    yield from _disguised()


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
        "eXIf that points to itself", png(32, 32, 8, 2, chunk(b"eXIf", looping_tiff())), "a.png", True
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
        "that points to itself": looping_tiff(),
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

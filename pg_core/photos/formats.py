"""The format of a file by its first bytes, and the photo in it before its pixels are decoded.

The decoders get the pixels, the transparency and nothing else: Pillow warns of much that stands beside them, such as
broken EXIF, and whoever silences warnings in one thread does so in all. Not here: which formats a photo may have, and
how large it may be, see `pg_core.photos.read`.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from PIL import AvifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin, features

MAX_PROFILE_BYTES = 4 * 2**20
"""The largest colour profiles of printers have 3 MB."""

_BEGINNINGS = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("GIF", b"GIF8"),
    ("BMP", b"BM"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
    ("Photoshop", b"8BPS"),
    ("PDF", b"%PDF"),
    ("PostScript", b"%!PS"),
    ("JPEG XL", b"\xff\x0a"),
    ("JPEG XL", b"\0\0\0\x0cJXL "),
    ("JPEG 2000", b"\0\0\0\x0cjP  "),
    ("ZIP", b"PK\x03\x04"),
)
_FAMILIES = {
    "AVIF": (b"avif", b"avis"),
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "video": (b"isom", b"mp41", b"mp42", b"qt  ", b"M4V "),
}
_BESIDE = frozenset({"icc_profile", "exif", "transparency"})
_IMAGE_BYTES = {"1": 1.0, "L": 1.0, "P": 1.0, "I;16": 2.0}
"""Of a pixel of an image that is decoded, by mode; 4 for others."""
_WEBP_BYTES, _AVIF_BYTES, _AVIF_ALPHA_BYTES, _HEIC_OVERHEAD = 13.0, 13.0, 17.0, 4.6
_HEIC_PLANES = {400: 1.0, 420: 1.5, 422: 2.0, 444: 3.0}
_SCAN, _PROGRESSIVE, _STANDALONE = 0xDA, (0xC2, 0xC6, 0xCA, 0xCE), (0x01, *range(0xD0, 0xD9))
"""Markers of JPEG: the begin of a scan, of a progressive picture, and those without a length."""
_ORIENTATION, _LONG = 0x0112, 4
"""The tag of EXIF, and the type of its numbers of 32 bits."""


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """The first picture of a JPEG or MPO file; its EXIF is not asked for the resolution."""

    def getexif(self) -> Image.Exif:
        return Image.Exif()


class _DecodedAtOnce(ImageFile.ImageFile):
    """Of a format whose decoder gives all pixels of the first picture as bytes: the decoder and its own copies are
    forgotten before the image is made of them."""

    _decoder: Any

    def load(self) -> Any:  # noqa: ANN401 (the type that Pillow gives has no name at run time)
        if getattr(self, "_decoder", None) is not None:
            content = self._first_picture()
            self._decoder = None
            if content is None:
                raise OSError("the picture cannot be decoded")
            self.fp = io.BytesIO(content)
            raw = getattr(self, "rawmode", self.mode)
            self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, raw)]
        return ImageFile.ImageFile.load(self)

    def _first_picture(self) -> bytes | None:
        raise NotImplementedError


class _WebP(_DecodedAtOnce, WebPImagePlugin.WebPImageFile):
    def _first_picture(self) -> bytes | None:
        found = self._decoder.get_next()
        return None if found is None else found[0]


class _Avif(_DecodedAtOnce, AvifImagePlugin.AvifImageFile):
    def _first_picture(self) -> bytes | None:
        return self._decoder.get_frame(0)[0]


def kind_of(data: bytes) -> str:
    """The format that the content of a file has, whatever its name: JPEG, PNG, WebP, AVIF, HEIC; another such as
    GIF, SVG, PDF or text; or unknown.

    >>> kind_of(b"GIF89a"), kind_of(b"Dear reader,"), kind_of(bytes(9))
    ('GIF', 'text', 'unknown')
    """
    for kind, beginning in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return _family(data)
    start = data[:1024]
    if b"<svg" in start:
        return "SVG"
    try:
        text = start[
            : start.rfind(b" ") + 1 or None
        ].decode()  # up to a space, for it may end within a letter
    except UnicodeDecodeError:
        return "unknown"
    return "text" if text and all(sign.isprintable() or sign.isspace() for sign in text) else "unknown"


@dataclass(frozen=True, slots=True)
class Declared:
    """Width and height that a file declares, and the most memory in bytes that its decoder takes for each pixel,
    beside the file: as measured on photos of all kinds, alpha and 4:4:4 included (`tests/benchmarks/bench_photos.py`).
    """

    width: int
    height: int
    bytes_per_pixel: float


def declared_size(kind: str, data: bytes) -> Declared | None:
    """The size in the header of a WebP file, whose decoder takes memory when it is opened; None for other formats,
    which are opened first."""
    if kind != "WebP":
        return None
    header = data[12:30].ljust(18, b"\0")
    match header[:4]:
        case b"VP8X":
            width, height = (int.from_bytes(header[at : at + 3], "little") + 1 for at in (12, 15))
        case b"VP8L":
            bits = int.from_bytes(header[9:13], "little")
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case _:
            width, height = (size & 0x3FFF for size in struct.unpack_from("<HH", header, 14))
    return Declared(width, height, _WEBP_BYTES)


def opened(kind: str, data: bytes) -> tuple[Image.Image, Declared]:
    """A photo in a JPEG, PNG, WebP, AVIF or HEIC file, not decoded before `load`; `info` holds no more than its EXIF,
    colour profile and transparency. HEIC and AVIF are turned by their container, whatever their EXIF says: the
    decoder of HEIC does it, for AVIF an EXIF is written that says the same.

    Raises ImportError, with what to install, where a decoder is missing, and anything for hostile bytes.
    """
    match kind:
        case "JPEG":
            photo: Image.Image = _Jpeg(io.BytesIO(data))
        case "PNG":
            photo = _png(data)
        case "WebP":
            photo = _WebP(io.BytesIO(data))
        case "AVIF":
            if not features.check("avif"):
                raise ImportError(
                    "AVIF needs another build of Pillow: python -m pip install --upgrade pillow"
                )
            photo = _Avif(io.BytesIO(_without_exif(data)))
        case "HEIC":
            photo = _heic(data)
        case _:
            raise ValueError(f"expected JPEG, PNG, WebP, AVIF or HEIC, got {kind}")
    declared = Declared(*photo.size, _bytes_per_pixel(kind, data, photo))
    photo.info = {key: value for key, value in photo.info.items() if key in _BESIDE}
    return photo, declared


def orientation_in(exif: bytes) -> int:
    """The orientation that EXIF says, 1 to 8 if it is a valid one; 1, as it lies, where nothing can be read."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, first)
        for at in range(first + 2, first + 2 + 12 * entries, 12):
            tag, number = struct.unpack_from(f"{order}HH", tiff, at)
            if tag == _ORIENTATION:
                (value,) = struct.unpack_from(order + ("I" if number == _LONG else "H"), tiff, at + 8)
                return value
    except struct.error:  # cut short
        pass
    return 1


def _bytes_per_pixel(kind: str, data: bytes, photo: Image.Image) -> float:
    channels = len(photo.getbands())
    match kind:
        case "JPEG" if isinstance(photo, JpegImagePlugin.JpegImageFile):
            image = _IMAGE_BYTES.get(photo.mode, 4.0)
            if not _has_several_scans(data, len(photo.layer)):
                return image
            # The decoder then keeps all coefficients, of 16 bits; the more, the less a colour is subsampled.
            samples = [layer[1] * layer[2] for layer in photo.layer]
            return image + 2.2 * sum(samples) / max(samples)
        case "WebP":
            return _WEBP_BYTES
        case "AVIF":
            return _AVIF_ALPHA_BYTES if photo.mode == "RGBA" else _AVIF_BYTES
        case "HEIC":
            planes = _HEIC_PLANES.get(photo.info.get("chroma", 444), 3.0) + (channels in (2, 4))
            return (planes + channels) * (2 if photo.info.get("bit_depth", 8) > 8 else 1) + _HEIC_OVERHEAD
    return _IMAGE_BYTES.get(photo.mode, 4.0)


def _has_several_scans(data: bytes, channels: int) -> bool:
    """Whether a JPEG is progressive, or its first scan is not of all channels."""
    at = 2
    while at + 5 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker == 0xFF or marker == 0 or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _PROGRESSIVE:
            return True
        if marker == _SCAN:
            return data[at + 4] < channels
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def _family(data: bytes) -> str:
    """Which kind of file the brands of an ISO container make it: the first that is known, the main one before those it
    is compatible with, and those that say no more than that it is an image (mif1, msf1) last."""
    length = max(16, min(int.from_bytes(data[:4], "big"), 256))
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, length, 4))]
    brands.sort(key=lambda brand: brand in (b"mif1", b"msf1"))
    known = {brand: kind for kind, own in _FAMILIES.items() for brand in own}
    return next((known[brand] for brand in brands if brand in known), "unknown")


def _png(data: bytes) -> Image.Image:
    """Only what the pixels need: chunks of text, time or animation are left out."""
    kept, beside = [data[:8]], dict[str, bytes]()
    at = 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if name[0] < ord("a") or name == b"tRNS":
            kept.append(data[at:end])
        elif name == b"eXIf":
            beside["exif"] = data[at + 8 : end - 4]
        elif name == b"iCCP":
            beside["icc_profile"] = _inflated(data[at + 8 : end - 4])
        at = end
    photo = PngImagePlugin.PngImageFile(io.BytesIO(b"".join(kept)))
    photo.info.update(beside)
    return photo


def _inflated(content: bytes) -> bytes:
    """The profile in a chunk of a PNG file, after its name and a zero for the method; empty if it is none or huge."""
    compressed = content.partition(b"\0")[2]
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(compressed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if inflater.eof else b""


def _without_exif(data: bytes) -> bytes:
    """An AVIF file in whose list of items none is called EXIF."""
    at = 0
    while at + 16 <= len(data):
        length, name, long = struct.unpack_from(">I4sQ", data, at)
        end = {0: len(data), 1: at + long}.get(length, at + length)
        if name == b"meta":
            return data[:at] + data[at:end].replace(b"Exif", b"none") + data[end:]
        if end < at + 8:
            break
        at = end
    return data


def _heic(data: bytes) -> Image.Image:
    try:
        from pi_heif import HeifImageFile
    except ImportError as error:
        raise ImportError("HEIC needs a decoder: python -m pip install pi-heif") from error
    # Made directly: registered with Pillow it would read HEIC for the whole process.
    photo = HeifImageFile(io.BytesIO(data))
    photo.info.pop("exif", None)
    return photo

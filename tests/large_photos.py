"""Photos of each kind, about as large as they are read: what takes most memory to decode."""

import io

import numpy as np
import pillow_heif
from PIL import Image

from tests.pg_core.photos.test_images import encoded, exif, noise


def smooth(megapixels, mode="RGB"):
    """A photo of nearly so many pixels."""
    width = int((megapixels * 1e6) ** 0.5)
    small = noise(3, 4).resize((width // 100, width // 100)).convert(mode.split(";")[0])
    large = small.resize((width, width), Image.Resampling.BILINEAR)
    if mode == "RGBA":
        large.putalpha(Image.linear_gradient("L").resize(large.size))
    return large


def saved(photo, image_format, **options):
    return encoded(photo, image_format, **options)


def heic(photo, **options):
    file = io.BytesIO()
    pillow_heif.from_pillow(photo).save(file, quality=30, **options)
    return file.getvalue()


def deep_heic(mode, megapixels, chroma):
    values = np.asarray(smooth(megapixels, mode)).astype(np.uint16) * 257
    file = io.BytesIO()
    size = values.shape[1::-1]
    whole = pillow_heif.from_bytes(mode=f"{mode};16", size=size, data=values.tobytes())
    whole.save(file, quality=30, chroma=chroma)
    return file.getvalue()


def grey16(megapixels):
    return Image.fromarray(np.asarray(smooth(megapixels, "L")).astype(np.uint16) * 257)


LARGEST = {
    "JPEG": lambda: saved(smooth(49.9), "JPEG", exif=exif(6)),
    "JPEG of CMYK": lambda: saved(smooth(49.9).convert("CMYK"), "JPEG"),
    "progressive JPEG": lambda: saved(smooth(31), "JPEG", progressive=True),
    "progressive JPEG, 4:4:4": lambda: saved(smooth(22.8), "JPEG", progressive=True, subsampling=0),
    "progressive JPEG of CMYK": lambda: saved(
        smooth(18.9).convert("CMYK"), "JPEG", progressive=True, subsampling=0
    ),
    "PNG": lambda: saved(smooth(49.9), "PNG", compress_level=1),
    "PNG with alpha": lambda: saved(smooth(49.9, "RGBA"), "PNG", compress_level=1),
    "PNG of 16 bits": lambda: saved(grey16(49.9), "PNG", compress_level=1),
    "PNG with a palette": lambda: saved(
        smooth(49.9, "L").convert("P"), "PNG", transparency=7, compress_level=1
    ),
    "WebP": lambda: saved(smooth(18.8), "WebP", method=0),
    "lossless WebP with alpha": lambda: saved(smooth(17, "RGBA"), "WebP", lossless=True, method=0, quality=0),
    "AVIF": lambda: saved(smooth(18.8), "AVIF", speed=10, quality=30),
    "AVIF with alpha, 4:4:4": lambda: saved(
        smooth(14.4, "RGBA"), "AVIF", speed=10, quality=30, subsampling="4:4:4"
    ),
    "HEIC": lambda: heic(smooth(26.9)),
    "HEIC, 4:4:4, with alpha": lambda: heic(smooth(19.4, "RGBA"), chroma=444),
    "HEIC of 10 bits, 4:4:4, with alpha": lambda: deep_heic("RGBA", 11.8, 444),
}

SLOW = ("HEIC, 4:4:4, with alpha", "HEIC of 10 bits, 4:4:4, with alpha")
"""Written in a good part of a minute: for the benchmark only."""

"""Embedded colour profiles: converted to sRGB where they say something else, ignored where they say nothing."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pg_core import sample_path
from pg_core.photos.colour import to_srgb
from pg_core.photos.formats import MAX_PROFILE_BYTES
from pg_core.photos.read import decode, read, upright_rgb
from tests.pg_core.photos import profiles
from tests.pg_core.photos.test_images import chunk, encoded, flat, noise, png

DISPLAY_P3 = profiles.rgb(profiles.P3, profiles.SRGB_CURVE)
GAMMA_1 = profiles.grey(profiles.gamma(1.0))
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}}


def to_linear(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def from_linear(values):
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * np.maximum(values, 0) ** (1 / 2.4) - 0.055)


def p3_in_srgb(colour):
    """The same by the definition of the two spaces, whose primaries are XYZ relative to D50."""
    p3, srgb = np.array(profiles.P3).T, np.array(profiles.SRGB).T
    linear = np.linalg.solve(srgb, p3 @ to_linear(np.array(colour) / 255))
    return 255 * from_linear(np.clip(linear, 0, 1))


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("colour", [(200, 100, 50), (60, 120, 70), (128, 128, 128)])
def test_a_display_p3_photo_shows_its_colours_in_srgb(image_format, colour):
    data = encoded(Image.new("RGB", (32, 24), colour), image_format, icc_profile=DISPLAY_P3, quality=95)
    assert np.abs(np.asarray(decode(data), float) - p3_in_srgb(colour)).max() <= 3


@pytest.mark.parametrize("image_format", LOSSLESS)
@pytest.mark.parametrize(
    "profile",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        profiles.rgb(profiles.SRGB, profiles.SRGB_CURVE),
    ],
    ids=["of lcms", "written here"],
)
def test_an_srgb_profile_leaves_every_bit(image_format, profile):
    photo = noise(40, 50)
    data = encoded(photo, image_format, icc_profile=profile, **LOSSLESS[image_format])
    assert np.array_equal(decode(data), photo)


BROKEN = {
    "empty": b"",
    "words": b"sRGB",
    "zeros": bytes(300),
    "cut short": DISPLAY_P3[:200],
    "no tags": DISPLAY_P3[:128] + bytes(300),
    "tags beyond the end": DISPLAY_P3[:136] + b"\xff" * 200,
    "of grey": profiles.grey(profiles.SRGB_CURVE),
    "huge": DISPLAY_P3 + bytes(MAX_PROFILE_BYTES),
}


@pytest.mark.parametrize("image_format", LOSSLESS)
@pytest.mark.parametrize("profile", BROKEN.values(), ids=BROKEN)
def test_a_broken_profile_or_one_for_other_pixels_is_ignored(image_format, profile):
    photo = noise(40, 50)
    data = encoded(photo, image_format, icc_profile=profile, **LOSSLESS[image_format])
    assert np.array_equal(decode(data), photo)


@pytest.mark.parametrize("content", [b"", b"name", b"name\0\1zzzz", b"name\0\0not compressed"])
def test_a_broken_chunk_with_a_profile_costs_no_png(content):
    decoded = np.asarray(decode(png(32, 24, 8, 2, bytes((9, 99, 199)) * 32, chunk(b"iCCP", content))))
    assert (decoded == (9, 99, 199)).all()


@given(
    st.lists(st.tuples(st.integers(0, len(DISPLAY_P3) - 1), st.integers(1, 255)), max_size=8),
    st.integers(0, 600),
)
def test_a_damaged_profile_is_used_or_ignored_without_a_word(flips, kept):
    damaged = bytearray(DISPLAY_P3)
    for place, bits in flips:
        damaged[place] ^= bits
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert to_srgb(noise(16, 16), bytes(damaged[:kept])).mode == "RGB"
    assert not heard


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_is_converted_by_a_profile_for_grey(depth):
    values = np.full((24, 32), 100 if depth == 8 else 100 * 257, np.uint8 if depth == 8 else np.uint16)
    decoded = np.asarray(decode(encoded(Image.fromarray(values), icc_profile=GAMMA_1)), float)
    assert np.abs(decoded - 255 * from_linear(np.array(100 / 255))).max() <= 1
    told = profiles.grey(profiles.SRGB_CURVE)
    assert (np.asarray(decode(encoded(Image.fromarray(values), icc_profile=told))) == 100).all()


def test_transparency_keeps_its_value_beside_converted_colours():
    photo = Image.new("RGBA", (32, 24), (200, 100, 50, 128))
    decoded = np.asarray(decode(encoded(photo, icc_profile=DISPLAY_P3)), float)
    over_white = (p3_in_srgb((200, 100, 50)) * 128 + 255 * 127) / 255
    assert np.abs(decoded - over_white).max() <= 2
    grey = decode(encoded(Image.new("LA", (32, 24), (100, 128)), icc_profile=GAMMA_1))
    assert (
        np.abs(
            np.asarray(grey, float) - (255 * from_linear(np.array(100 / 255)) * 128 + 255 * 127) / 255
        ).max()
        <= 2
    )


def test_a_palette_is_converted():
    photo = flat("P", 1, palette=[0, 0, 9, 200, 100, 50])
    decoded = np.asarray(decode(encoded(photo, icc_profile=DISPLAY_P3)), float)
    assert np.abs(decoded - p3_in_srgb((200, 100, 50))).max() <= 1


def test_cmyk_is_converted_by_the_profile_of_its_press():
    press = profiles.cmyk(paper=(255, 128, 128), ink=(0, 128, 128))
    photo = Image.new("CMYK", (32, 24), (255, 0, 0, 0))
    without = np.asarray(decode(encoded(photo, "JPEG")))
    decoded = np.asarray(decode(encoded(photo, "JPEG", icc_profile=press)))
    assert (without[..., 2] > 200).all()
    assert (decoded < 8).all()
    paper = decode(encoded(Image.new("CMYK", (32, 24)), "JPEG", icc_profile=press))
    assert (np.asarray(paper) > 250).all()


def test_a_photo_is_converted_once():
    once = decode(encoded(Image.new("RGB", (32, 24), (200, 100, 50)), icc_profile=DISPLAY_P3))
    assert np.array_equal(upright_rgb(once), once)


def test_an_image_given_in_python_is_converted_too_and_stays_as_it_was():
    photo = Image.new("RGB", (32, 24), (200, 100, 50))
    photo.info["icc_profile"] = DISPLAY_P3
    assert np.abs(np.asarray(upright_rgb(photo), float) - p3_in_srgb((200, 100, 50))).max() <= 1
    assert photo.getpixel((0, 0)) == (200, 100, 50)


def test_the_sample_in_adobe_rgb_is_converted_as_its_primaries_and_its_gamma_say():
    with Image.open(sample_path("rocket")) as photo:
        stored = np.asarray(photo, float)
    adobe = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
    linear = (stored / 255) ** (563 / 256) @ np.linalg.solve(np.array(profiles.SRGB).T, adobe).T
    expected = 255 * from_linear(np.clip(linear, 0, 1))
    assert np.abs(np.asarray(read(sample_path("rocket")), float) - expected).mean() < 1
    assert np.abs(stored - expected).max() > 20

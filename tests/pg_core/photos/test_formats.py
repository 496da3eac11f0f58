"""Photos as people have them: told by content, turned upright once, and refused in a sentence that says the cure."""

import gzip
import io
import struct
import sys
import threading
import warnings
import zipfile

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from pg_core.photos.colour import to_srgb
from pg_core.photos.formats import kind_of
from pg_core.photos.inference import extract
from pg_core.photos.read import FORMATS, MAX_PIXELS, SUFFIXES, ImageError, decode, read, upright_rgb
from tests.pg_core.analysis.test_analysis import Colours
from tests.pg_core.photos import profiles
from tests.pg_core.photos.test_images import (
    BROKEN_EXIF,
    as_stored,
    assert_one_sentence,
    chunk,
    encoded,
    exif,
    noise,
    png,
    refusal,
    smooth,
)

READ = "; JPEG, PNG, WebP, AVIF and HEIC are read: export the photo as JPEG."


def heic(photo, tags=None, **options):
    """The bytes of a HEIC file, whose container says of its orientation what EXIF says, as that of a phone does."""
    heif = pillow_heif.from_bytes(photo.mode, photo.size, photo.tobytes())
    heif.info.update(options)
    if tags is not None:
        heif.info["exif"] = tags.tobytes()
    file = io.BytesIO()
    heif.save(file, quality=95)
    return file.getvalue()


def gentle(height, width):
    """A photo that the coarse blocks of HEIC keep nearly as it is."""
    rows, columns = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([3 * rows, 2 * columns, rows + columns], axis=-1).astype(np.uint8))


def assert_alike(decoded, photo, most=12):
    assert decoded.size == photo.size
    assert np.abs(np.asarray(decoded, float) - np.asarray(photo)).max() < most


def written(photo, suffix):
    """A photo in the format that a suffix stands for."""
    (name,) = [name for name, suffixes in FORMATS.items() if suffix in suffixes]
    if name == "HEIC":
        return heic(photo)
    return encoded(photo, "MPO" if suffix == ".mpo" else name.upper(), quality=95)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_photo_with_each_suffix_is_read(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(written(smooth(24, 32), suffix))
    assert_alike(read(path), smooth(24, 32))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_photo_is_told_by_its_content_not_by_its_name(tmp_path, suffix):
    (tmp_path / "photo.png").write_bytes(written(smooth(24, 32), suffix))
    assert_alike(read(tmp_path / "photo.png"), smooth(24, 32))


def test_of_several_pictures_in_a_jpg_of_a_phone_the_first_is_read():
    data = encoded(smooth(24, 32), "MPO", save_all=True, append_images=[noise(48, 64)], quality=95)
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert_alike(decode(data), smooth(24, 32))


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "AVIF"])
def test_of_an_animation_the_first_picture_is_read(image_format):
    data = encoded(smooth(24, 32), image_format, save_all=True, append_images=[noise(24, 32)], quality=95)
    assert_alike(decode(data), smooth(24, 32))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_photo_comes_out_upright_exactly_once(orientation):
    upright = np.asarray(gentle(64, 96))
    stored = Image.fromarray(np.ascontiguousarray(as_stored(upright, orientation)))
    assert_alike(decode(heic(stored, exif(orientation))), Image.fromarray(upright))


def test_the_container_of_heic_says_how_it_lies_whatever_its_exif_says():
    data = heic(gentle(64, 96), exif(1))
    (place,) = [at for at in range(len(data)) if data.startswith(b"\x01\x12\0\3\0\0\0\1\0\1", at)]
    turned = data[: place + 8] + b"\0\6" + data[place + 10 :]
    assert_alike(decode(turned), gentle(64, 96))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_heic_of_every_mode_is_read(mode):
    photo = gentle(64, 96).convert(mode)
    assert_alike(decode(heic(photo)), photo.convert("RGB"))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_heic_of_ten_bits_keeps_its_values(mode):
    photo = np.asarray(gentle(64, 96).convert(mode))
    file = io.BytesIO()
    deep = pillow_heif.from_bytes(f"{mode};16", (96, 64), (photo.astype(np.uint16) * 257).tobytes())
    deep.save(file, quality=95)
    assert_alike(decode(file.getvalue()), Image.fromarray(photo).convert("RGB"))


def test_the_colour_profile_of_heic_is_converted():
    profile = profiles.rgb(profiles.P3, profiles.SRGB_CURVE)
    photo = gentle(64, 96)
    expected = to_srgb(photo, profile)
    assert np.abs(np.asarray(expected, int) - np.asarray(photo)).max() > 20
    assert np.abs(np.asarray(decode(heic(photo, icc_profile=profile)), int) - np.asarray(expected)).mean() < 3


def test_the_thumbnail_of_a_heic_photo_is_not_taken_for_it():
    assert decode(heic(smooth(256, 320), thumbnails=[64])).size == (320, 256)


def test_heic_is_read_for_the_reader_alone():
    data = heic(gentle(64, 96))
    decode(data)
    with pytest.raises(Image.UnidentifiedImageError):
        Image.open(io.BytesIO(data))


def test_without_its_decoder_heic_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    assert refusal(heic(gentle(64, 96))) == "HEIC needs a decoder: python -m pip install pi-heif."


def test_without_its_decoder_avif_is_refused_with_the_command_that_installs_it(monkeypatch):
    data = encoded(smooth(24, 32), "AVIF")
    monkeypatch.setattr("pg_core.photos.formats.features.check", lambda name: name != "avif")
    assert "python -m pip install --upgrade pillow" in refusal(data)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("data", [heic(noise(64, 64)), encoded(noise(64, 64), "AVIF")], ids=["HEIC", "AVIF"])
def test_a_truncated_photo_of_a_phone_is_refused(data, part):
    assert refusal(data[: int(part * len(data))]) == "The image is damaged or cut short."


def zipped(data):
    """A zip archive of one photo."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.png", data)
    return file.getvalue()


SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'/>"
OTHERS = {
    "This is a GIF image": encoded(smooth(24, 32), "GIF"),
    "This is a BMP image": encoded(smooth(24, 32), "BMP"),
    "This is a TIFF image": encoded(smooth(24, 32), "TIFF"),
    "This is a Photoshop image": b"8BPS\0\1" + bytes(99),
    "This is a JPEG 2000 image": b"\0\0\0\x0cjP  \r\n\x87\n",
    "This is a JPEG XL image": b"\0\0\0\x0cJXL \r\n\x87\n",
    "This is an SVG image": b"<?xml version='1.0'?>\n" + SVG,
    "This is a PDF file": b"%PDF-1.7\n",
    "This is a PostScript file": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n",
    "This is a ZIP file": zipped(encoded(smooth(24, 32))),
    "This is a video file": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99),
    "This is text, not an image": "Überall nur Wörter, keine Bilder\n".encode() * 60,
    "The file is empty": b"",
}
UNKNOWN = {
    "zeros": bytes(1000),
    "PPM of bytes": b"P6 24 32 255\n" + bytes(range(256)) * 9,
    "zipped SVG": gzip.compress(SVG),
    "ISO container of no known kind": b"\0\0\0\x14ftypcrx \0\0\0\0crx " + bytes(99),
}


@pytest.mark.parametrize(("what", "data"), OTHERS.items(), ids=OTHERS)
def test_a_file_of_another_kind_is_called_what_it_is(what, data):
    assert refusal(data) == what + READ


@pytest.mark.parametrize("data", UNKNOWN.values(), ids=UNKNOWN)
def test_a_file_of_no_known_kind_is_refused(data):
    assert refusal(data) == "This is no image of a known format" + READ


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"heic\0\0\0\0mif1heic", "HEIC"),
        (b"mif1\0\0\0\0mif1heic", "HEIC"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"avif\0\0\0\0mif1miaf", "AVIF"),
        (b"msf1\0\0\0\0hevcmif1", "HEIC"),
        (b"qt  \0\0\0\0qt  ", "video"),
    ],
)
def test_the_brands_of_a_container_tell_its_kind(brands, kind):
    assert kind_of(struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands) == kind


def vp8x(width, height):
    """The header of a WebP file of a given size, and nothing else."""
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + sizes


def wide_heic(width, height):
    """A HEIC file that says another size in its header."""
    data = heic(gentle(64, 96))
    size = struct.pack(">II", 96, 64)
    assert data.count(b"ispe\0\0\0\0" + size) == 1
    return data.replace(size, struct.pack(">II", width, height))


def test_too_many_pixels_are_refused_before_they_are_decoded():
    for data in (vp8x(16_000, 16_000), vp8x(10_000, 6_000), wide_heic(20_000, 10_000)):
        assert f"at most {MAX_PIXELS // 10**6} million" in refusal(data)
    for data in (vp8x(4_000, 20), wide_heic(4_000, 20), wide_heic(8, 8), encoded(noise(8, 40), "AVIF")):
        assert "expected sides of at least 16 pixels" in refusal(data)


@pytest.mark.parametrize("lossless", [True, False])
def test_the_size_in_every_header_of_webp_is_found(lossless):
    for size in ((12, 200), (8, 900)):
        photo = noise(*size)
        for data in (encoded(photo, "WEBP", lossless=lossless), encoded(photo, "WEBP", exif=exif(1))):
            assert f"has {size[1]}x{size[0]} pixels" in refusal(data)


def test_a_heic_file_with_fewer_pixels_than_it_says_is_refused():
    assert refusal(wide_heic(640, 480)) == "The image is damaged or cut short."


def broken_exif(image_format):
    """A photo whose EXIF, once valid, promises more than there is."""
    tags = exif(1)
    tags[0x010F] = "a maker of cameras"
    data = encoded(smooth(24, 32), image_format, exif=tags.tobytes(), quality=95)
    assert data.count(b"MM\0*\0\0\0\x08") == 1
    return data.replace(b"MM\0*\0\0\0\x08", b"MM\0*\0\0\0\x0b")


ANIMATED_TWICE = png(32, 24, 8, 2, bytes(96), *[chunk(b"acTL", bytes(8))] * 2)


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "AVIF"])
def test_broken_exif_costs_neither_the_photo_nor_a_warning(image_format):
    assert_alike(decode(broken_exif(image_format)), smooth(24, 32))


def test_threads_that_decode_at_once_leak_no_warning_and_leave_the_filters():
    photos = [broken_exif(kind) for kind in ("JPEG", "AVIF")] + [ANIMATED_TWICE]
    photos += [encoded(smooth(24, 32), "JPEG", exif=b"Exif\0\0" + tags) for tags in BROKEN_EXIF.values()]
    failed, seen = [], set()

    def work():
        for _ in range(20):
            for data in photos:
                try:
                    decode(data)
                except Exception as error:
                    failed.append(error)
                seen.add(tuple(warnings.filters))

    before = tuple(warnings.filters)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        during = tuple(warnings.filters)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not heard
    assert not failed
    assert seen == {during}
    assert tuple(warnings.filters) == before


FLOATS = np.random.default_rng(0).random((64, 64), np.float32)
REFUSED = {
    "NaN": (Image.fromarray(np.full((300, 300), np.nan, np.float32)), "floating-point"),
    "infinite": (Image.fromarray(np.full((300, 300), np.inf, np.float32)), "floating-point"),
    "from 0 to 1": (Image.fromarray(FLOATS), r"np.rint\(255 \* values\)"),
    "more than 16 bits": (Image.fromarray(np.full((64, 64), 70_000, np.int32)), "expected 0 to 65535"),
    "negative": (Image.fromarray(np.full((64, 64), -1, np.int32)), "expected 0 to 65535"),
    "nothing": (Image.new("RGB", (0, 0)), "0x0 pixels"),
    "speck": (Image.new("RGB", (1, 1)), "1x1 pixels"),
    "strip": (Image.new("L", (10, 3000)), "10x3000 pixels"),
    "long": (Image.new("L", (16, 257)), "16x257 pixels"),
    "huge": (Image.new("1", (8000, 7000)), "at most 50 million"),
}


@pytest.mark.parametrize(("image", "words"), REFUSED.values(), ids=REFUSED)
def test_an_image_given_in_python_is_refused_like_a_file(image, words):
    for use in (upright_rgb, lambda image: extract(image, Colours())):
        with pytest.raises(ImageError, match=words) as caught:
            use(image)
        assert_one_sentence(caught.value)


def test_a_damaged_image_given_in_python_is_refused_like_a_file():
    data = encoded(noise(64, 64))
    with pytest.raises(ImageError, match="damaged or cut short"):
        upright_rgb(Image.open(io.BytesIO(data[:3000])))


def test_an_image_given_in_python_is_turned_upright_by_what_it_says():
    photo = smooth(24, 32)
    photo.getexif()[0x0112] = 3
    assert np.array_equal(upright_rgb(photo), np.asarray(smooth(24, 32))[::-1, ::-1])

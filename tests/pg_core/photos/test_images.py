"""Photos: what is read and how it looks, what is refused, and how far a patch on the photo reaches."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pg_core.photos.framing import Framing, frame
from pg_core.photos.read import MAX_BYTES, ImageError, decode, read, to_photo, to_pixels

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
RED = (255, 0, 0)
WHITE = (255, 255, 255)


def encoded(photo, image_format="PNG", **options):
    """The bytes of a file."""
    file = io.BytesIO()
    photo.save(file, image_format, **options)
    return file.getvalue()


def chunk(kind, content):
    """One chunk of a PNG file, with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, depth, colour, row, *extra):
    """A PNG file whose rows are all the same bytes, with extra chunks after the header."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress((b"\0" + row) * min(height, 100)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + rows + chunk(b"IEND", b"")


def noise(height, width, seed=0):
    """A photo of random pixels."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def smooth(height, width):
    """A photo without edges, which JPEG keeps nearly as it is; no symmetry leaves it unchanged."""
    rows, columns = np.mgrid[0:height, 0:width]
    values = np.stack([8 * rows, 6 * columns, 4 * rows + 2 * columns], axis=-1)
    return Image.fromarray(values.astype(np.uint8))


def flat(mode, colour, **info):
    """A photo of one colour; a `palette` or `transparency` where one is given."""
    photo = Image.new(mode, (32, 24), colour)
    if "palette" in info:
        photo.putpalette(info.pop("palette"))
    photo.info.update(info)
    return photo


def assert_one_sentence(error):
    assert "\n" not in str(error)
    assert str(error).endswith(".")


def refusal(data):
    """The one sentence with which bytes are refused."""
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert_one_sentence(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_a_lossless_photo_is_read_as_it_was_written(image_format):
    photo = noise(24, 32)
    assert np.array_equal(decode(encoded(photo, image_format, lossless=True)), photo)


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_format_is_read_as_an_rgb_photo(image_format):
    photo = smooth(24, 32)
    decoded = decode(encoded(photo, image_format, quality=95))
    assert decoded.mode == "RGB"
    assert np.abs(np.asarray(decoded, float) - np.asarray(photo)).max() < 12


def exif(orientation):
    """What a camera says of its orientation."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def as_stored(values, orientation):
    """Pixels as a camera stores them: by the EXIF standard, where row 0 and column 0 of the file are seen."""
    turned = values.swapaxes(0, 1)
    return {
        1: values,
        2: values[:, ::-1],
        3: values[::-1, ::-1],
        4: values[::-1],
        5: turned,
        6: turned[::-1],
        7: turned[::-1, ::-1],
        8: turned[:, ::-1],
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", FORMATS)
def test_a_photo_is_turned_upright(image_format, orientation):
    upright = np.asarray(smooth(24, 32))
    stored = Image.fromarray(np.ascontiguousarray(as_stored(upright, orientation)))
    decoded = decode(encoded(stored, image_format, exif=exif(orientation), quality=95))
    assert decoded.size == (32, 24)
    assert np.abs(np.asarray(decoded, float) - upright).max() < 12


BROKEN_EXIF = {
    "empty": b"",
    "garbage": b"garbage!!",
    "cut short": b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 30,
    "orientation 9": b"MM\0*\0\0\0\x08\0\1\x01\x12\0\x03\0\0\0\1\0\x09" + bytes(6),
}


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("tags", BROKEN_EXIF.values(), ids=BROKEN_EXIF)
def test_a_photo_with_unreadable_exif_is_read_as_it_lies(image_format, tags):
    photo = smooth(24, 32)
    decoded = decode(encoded(photo, image_format, exif=b"Exif\0\0" + tags, quality=95))
    assert np.abs(np.asarray(decoded, float) - np.asarray(photo)).max() < 12


def test_a_jpeg_that_claims_further_pictures_in_vain_is_read():
    data = encoded(smooth(24, 32), "JPEG")
    claim = b"MPF\0" + b"junk" * 5
    claimed = data[:2] + b"\xff\xe2" + struct.pack(">H", len(claim) + 2) + claim + data[2:]
    assert np.array_equal(decode(claimed), decode(data))


ENTRIES = [0, 0, 9, 255, 0, 0]
COLOURS = {
    "grey": (flat("L", 77), (77, 77, 77)),
    "grey with a transparent tone": (flat("L", 77, transparency=77), WHITE),
    "grey with alpha": (flat("LA", (0, 51)), (204, 204, 204)),
    "black and white": (flat("1", 1), WHITE),
    "palette": (flat("P", 1, palette=ENTRIES), RED),
    "palette, transparent": (flat("P", 1, palette=ENTRIES, transparency=1), WHITE),
    "palette, half transparent": (flat("P", 1, palette=ENTRIES, transparency=b"\xff\x80"), (255, 127, 127)),
    "transparent colour": (flat("RGB", (10, 20, 30), transparency=(10, 20, 30)), WHITE),
    "opaque": (flat("RGBA", (255, 0, 0, 255)), RED),
    "half transparent": (flat("RGBA", (255, 0, 0, 128)), (255, 127, 127)),
    "transparent": (flat("RGBA", (255, 0, 0, 0)), WHITE),
    "16 bit": (Image.fromarray(np.full((24, 32), 30_000, np.uint16)), (117, 117, 117)),
    "16 bit, white": (Image.fromarray(np.full((24, 32), 65_535, np.uint16)), WHITE),
    "16 bit, nearly black": (Image.fromarray(np.full((24, 32), 200, np.uint16)), (1, 1, 1)),
}


@pytest.mark.parametrize(("photo", "colour"), COLOURS.values(), ids=COLOURS)
def test_every_kind_of_pixel_becomes_the_colour_a_person_sees(photo, colour):
    decoded = np.asarray(decode(encoded(photo)), int)
    assert decoded.shape == (24, 32, 3)
    assert np.abs(decoded - colour).max() <= 1


def test_cmyk_becomes_the_colour_a_person_sees():
    decoded = np.asarray(decode(encoded(flat("CMYK", (0, 255, 255, 0)), "JPEG")), int)
    assert np.abs(decoded - RED).max() <= 3


@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_transparency_is_laid_over_white(image_format):
    values = np.zeros((24, 32, 4), np.uint8)
    values[:, 16:] = 10, 20, 30, 255
    decoded = np.asarray(decode(encoded(Image.fromarray(values), image_format, lossless=True, exact=True)))
    assert (decoded[:, :16] == 255).all()
    assert (decoded[:, 16:] == (10, 20, 30)).all()


def test_a_16_bit_copy_of_an_8_bit_photo_is_that_photo():
    values = np.tile(np.arange(256, dtype=np.uint16), (32, 1))
    decoded = np.asarray(decode(encoded(Image.fromarray(values * 257))))
    assert (decoded == values[..., None]).all()


@pytest.mark.parametrize(
    ("colour", "channels", "expected"),
    [(2, (100, 150, 200), (100, 150, 200)), (4, (100, 255), (100,) * 3), (6, (100, 150, 200, 0), WHITE)],
)
def test_16_bits_of_colour_or_alpha_keep_their_value(colour, channels, expected):
    row = b"".join(struct.pack(">H", 257 * value) for value in channels) * 32
    assert (np.asarray(decode(png(32, 24, 16, colour, row))) == expected).all()


@pytest.mark.parametrize("kind", ["juNK", "tEXt", "gAMA", "cHRM", "pHYs", "eXIf"])
@pytest.mark.parametrize(
    "content", [b"\x7f\xc0\0\0", b"nan\0", b"\0", b"\xff"], ids=["NaN", "text", "0", "255"]
)
def test_junk_beside_the_pixels_of_a_png_changes_nothing(kind, content):
    data = png(32, 24, 8, 2, bytes(RED) * 32, chunk(kind.encode(), (content * 32)[:32]))
    assert (np.asarray(decode(data)) == RED).all()


@pytest.mark.parametrize("size", [(16, 16), (16, 256), (256, 16)])
def test_the_smallest_and_the_longest_photos_are_read(size):
    assert decode(encoded(noise(*size))).size == size[::-1]


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("image_format", FORMATS)
def test_a_truncated_photo_is_refused(image_format, part):
    data = encoded(noise(64, 64), image_format)
    refusal(data[: int(part * len(data))])


@pytest.mark.parametrize("side", [60_000, 12_000, 7_100])
def test_a_decompression_bomb_is_refused_by_its_header(side):
    assert "at most 50 million" in refusal(png(side, side, 8, 2, b""))


@pytest.mark.parametrize("size", [(1, 1), (15, 200), (10, 30_000), (30_000, 10), (16, 257)])
def test_a_photo_that_no_classifier_can_look_at_is_refused(size):
    assert f"{size[0]}x{size[1]} pixels" in refusal(encoded(Image.new("RGB", size)))


def test_a_file_over_the_limit_is_refused_unread():
    assert "at most 20 MB" in refusal(bytes(MAX_BYTES + 1))


SEEDS = [encoded(smooth(24, 32), kind) for kind in FORMATS]
SEEDS += [encoded(smooth(24, 32), kind, exif=exif(6)) for kind in FORMATS]
SEEDS += [
    encoded(flat("P", 1, palette=ENTRIES, transparency=1)),
    encoded(Image.fromarray(np.full((24, 32), 30_000, np.uint16))),
]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=6),
    st.floats(0, 1),
)
def test_a_damaged_photo_is_read_or_refused_and_nothing_else(data, flips, kept):
    damaged = bytearray(data)
    for place, bits in flips:
        damaged[int(place * len(damaged))] ^= bits
    if kept < 0.1:
        damaged = damaged[: int(10 * kept * len(damaged))]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            assert decode(bytes(damaged)).mode == "RGB"
        except ImageError as error:
            assert_one_sentence(error)
    assert not heard


def test_a_file_is_read_by_its_path(tmp_path):
    path = tmp_path / "photo.png"
    noise(24, 32).save(path)
    assert all(np.array_equal(read(given), noise(24, 32)) for given in (path, str(path)))


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "text.png").write_text("no photo")
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for name in ("missing.png", "folder.png", "text.png", "large.png"):
        with pytest.raises(ImageError) as caught:
            read(tmp_path / name)
        assert str(caught.value).startswith(f"{name}: ")
        assert_one_sentence(caught.value)


@pytest.mark.parametrize("image_size", [(224, 224), (192, 192), (40, 60)])
def test_a_photo_of_the_networks_size_is_taken_bit_by_bit(image_size):
    photo = noise(*image_size)
    pixels = to_pixels(photo, image_size)
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels, np.asarray(photo, np.float32).transpose(2, 0, 1) / np.float32(255))
    assert np.array_equal(to_photo(pixels), photo)
    assert frame((photo.height, photo.width), image_size).patch_on_network((5, 7)) == (5, 7)


@pytest.mark.parametrize(("height", "width"), [(256, 300), (300, 256), (256, 256), (512, 1024), (100, 70)])
def test_the_middle_of_a_photo_is_seen_seven_eighths_of_its_short_side(height, width):
    framing = frame((height, width), (224, 224))
    assert framing.crop == pytest.approx((min(height, width) * 224 / 256,) * 2)
    middle = np.add(framing.top_left, np.divide(framing.crop, 2))
    assert middle == pytest.approx((height / 2, width / 2), abs=0.99)


def test_a_photo_that_needs_no_resizing_is_only_cropped():
    photo = noise(256, 300)
    assert np.array_equal(to_photo(to_pixels(photo, (224, 224))), np.asarray(photo)[16:240, 38:262])


@pytest.mark.parametrize(("height", "width"), [(96, 128), (160, 100)])
@pytest.mark.parametrize("side", [40, 224])
def test_every_pixel_shows_its_own_place_of_the_photo(height, width, side):
    rows, columns = np.mgrid[0:height, 0:width]
    photo = Image.fromarray(np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8))
    framing = frame((photo.height, photo.width), (side, side))
    scale = framing.crop[0] / side
    seen = to_pixels(photo, (side, side)) * 255
    # Pixel centres: source row a shows the value a, at the position a + 1/2.
    expected = [start + scale * (np.arange(side) + 0.5) - 0.5 for start in framing.top_left]
    assert np.abs(seen[0] - expected[0][:, None]).max() <= 1
    assert np.abs(seen[1] - expected[1]).max() <= 1


def touched(values, place, patch_size, side, see=to_pixels):
    """Height and width of what changes on the network's image when a patch turns from black to white."""
    black, white = values.copy(), values.copy()
    box = tuple(slice(start, start + size) for start, size in zip(place, patch_size, strict=True))
    black[box], white[box] = 0, 255
    without, patched = (see(Image.fromarray(photo), (side, side)) for photo in (black, white))
    changed = (without != patched).any(axis=0)
    spans = [np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0)]
    return tuple(int(span[-1] - span[0] + 1) if len(span) else 0 for span in spans)


sides = st.integers(16, 90) | st.just(64)


@settings(max_examples=200)
@given(sides, sides, st.sampled_from([16, 24, 32, 56]), st.data())
def test_a_patch_on_the_photo_touches_no_more_than_is_claimed(height, width, side, data):
    size = data.draw(st.tuples(st.integers(1, height // 2), st.integers(1, width // 2)))
    place = data.draw(st.tuples(st.integers(0, height - size[0]), st.integers(0, width - size[1])))
    photo = noise(height, width, data.draw(st.integers(0, 9)))
    claimed = frame((photo.height, photo.width), (side, side)).patch_on_network(size)
    assert np.less_equal(touched(np.asarray(photo), place, size, side), claimed).all()


@pytest.mark.parametrize(("height", "width"), [(256, 341), (341, 256), (257, 256), (512, 641)])
def test_no_more_is_touched_where_the_middle_lies_between_two_pixels(height, width):
    side = min(height, width) * 7 // 8
    photo = noise(height, width)
    claimed = frame((photo.height, photo.width), (side, side)).patch_on_network((9, 9))
    assert np.less_equal(touched(np.asarray(photo), (100, 100), (9, 9), side), claimed).all()


@pytest.mark.parametrize("size", [(32, 40), (40, 32), (64, 80), (150, 100), (64, 64)])
@pytest.mark.parametrize("side", [32, 56, 192])
@pytest.mark.parametrize("patch", [1, 5, 9])
def test_some_patch_touches_as_much_as_is_claimed(size, side, patch):
    photo = noise(*size)
    claimed = frame((photo.height, photo.width), (side, side)).patch_on_network((patch, patch))
    middle = min(size) // 2
    places = range(middle - patch - 4, middle + 4)
    every = [touched(np.asarray(photo), (place, place), (patch, patch), side) for place in places]
    largest = np.max(every, axis=0)
    # The outermost pixel may change by too little to be seen in 8 bits.
    assert np.less_equal(largest, claimed).all()
    assert np.greater_equal(largest, np.subtract(claimed, 1)).all()


def test_a_5x5_patch_of_a_small_photo_touches_48x48_pixels_of_six_times_its_size():
    def resized(photo, image_size):
        return np.asarray(photo.resize(image_size, Image.Resampling.BICUBIC)).transpose(2, 0, 1)

    assert Framing((32, 32), (32.0, 32.0), (192, 192)).patch_on_network((5, 5)) == (48, 48)
    assert touched(np.asarray(noise(32, 32)), (12, 12), (5, 5), 192, resized) == (48, 48)


def test_a_patch_never_touches_more_than_the_image():
    assert Framing((32, 32), (32.0, 32.0), (192, 192)).patch_on_network((32, 3)) == (192, 36)

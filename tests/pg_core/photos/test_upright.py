"""Photos a few rows at a time: the same pixels as at once, and little memory, whatever is uploaded and by how many."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pg_core.photos import read as images
from pg_core.photos import upright
from pg_core.photos.framing import frame
from pg_core.photos.memory import SharedMemory
from pg_core.photos.read import ImageError, decode, framed, read, reduced, to_pixels
from pg_core.photos.upright import UprightPhoto
from tests.large_photos import LARGEST, SLOW
from tests.memory import needs_linux, peak_of
from tests.pg_core.photos.test_images import encoded, exif, noise

MOST = 250
"""MB over the base for any photo."""
MOST_OF_EIGHT = 1000


@pytest.fixture
def narrow_bands(monkeypatch):
    monkeypatch.setattr(upright, "_PIXELS_AT_ONCE", 97)
    monkeypatch.setattr(upright, "SMALL", 0)


def opened(photo, image_format="PNG", **options):
    return Image.open(io.BytesIO(encoded(photo, image_format, **options)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rows_of_a_turned_photo_are_the_rows_of_the_upright_one(narrow_bands, orientation):
    photo = opened(noise(23, 41), exif=exif(orientation))
    photo.load()
    whole = ImageOps.exif_transpose(photo)
    assert np.array_equal(UprightPhoto(photo).whole(), whole)
    assert np.array_equal(UprightPhoto(photo).rows(3, 8), np.asarray(whole)[3:8])


MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")


def in_mode(mode, photo):
    if mode == "I;16":
        return Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 251)
    return photo.convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_photo_of_any_mode_is_the_same_in_bands(narrow_bands, monkeypatch, mode):
    photo = in_mode(mode, noise(37, 29))
    in_bands = UprightPhoto(photo).whole()
    monkeypatch.setattr(upright, "_PIXELS_AT_ONCE", 2**20)
    assert np.array_equal(in_bands, UprightPhoto(photo).whole())


sides = st.integers(16, 70)


@given(sides, sides, st.tuples(st.integers(1, 80), st.integers(1, 80)), st.data())
def test_resizing_in_bands_is_resizing_along_rows_and_then_along_columns(height, width, size, data):
    photo = noise(height, width, data.draw(st.integers(0, 9)))
    top, left = data.draw(st.integers(0, height - 9)), data.draw(st.integers(0, width - 9))
    bottom, right = data.draw(st.integers(top + 4, height)), data.draw(st.integers(left + 4, width))
    narrow = photo.resize((size[1], height), Image.Resampling.BICUBIC, (left, 0, right, height))
    expected = narrow.resize(size[::-1], Image.Resampling.BICUBIC, (0, top, size[1], bottom))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(upright, "SMALL", 0)
        patched.setattr(upright, "_PIXELS_AT_ONCE", 97)
        in_bands = UprightPhoto(photo).resized(tuple(map(float, (top, left, bottom, right))), size)
    assert np.array_equal(in_bands, expected)


def test_a_small_photo_is_resized_as_pillow_does_it():
    photo = noise(60, 40)
    expected = photo.resize((50, 30), Image.Resampling.BICUBIC, (1.5, 2, 39, 51.25))
    assert np.array_equal(UprightPhoto(photo).resized((2.0, 1.5, 51.25, 39.0), (30, 50)), expected)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("image_size", [(32, 32), (48, 20), (90, 90)])
def test_a_network_sees_the_same_of_a_file_as_of_its_pixels(narrow_bands, tmp_path, orientation, image_size):
    path = tmp_path / "photo.jpg"
    noise(61, 83).save(path, exif=exif(orientation))
    seen = framed(path, image_size)
    assert np.array_equal(seen.pixels, to_pixels(read(path), image_size))
    assert np.array_equal(seen.pixels, framed(path.read_bytes(), image_size).pixels)
    assert seen.framing == frame(decode(path.read_bytes()).size[::-1], image_size)


def test_a_small_photo_is_reduced_to_itself_and_a_large_one_keeps_its_shape():
    photo, size, _ = reduced(encoded(noise(40, 60)))
    assert np.array_equal(photo, noise(40, 60))
    assert size == (40, 60)
    photo, size, _ = reduced(encoded(Image.linear_gradient("L").resize((4096, 1024)).convert("RGB")))
    assert photo.size == (1024, 256)
    assert size == (1024, 4096)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L", "1"])
@pytest.mark.parametrize("large", [False, True])
def test_a_photo_is_transparent_if_any_pixel_of_it_is_not_opaque(mode, large):
    photo = noise(*((2100, 1000) if large else (40, 60)))
    opaque = photo.convert(mode)
    assert not reduced(encoded(opaque)).transparent
    if mode in ("RGBA", "LA"):
        opaque.putpixel((opaque.width - 1, opaque.height - 1), (*opaque.getpixel((0, 0))[:-1], 254))
        assert reduced(encoded(opaque)).transparent
    if mode == "P":
        seen = opaque.getpixel((3, 3))
        opaque.info["transparency"] = seen
        assert reduced(encoded(opaque)).transparent


class Meeting:
    """Work that waits until `expected` threads are in it, or until nobody else comes."""

    def __init__(self, expected):
        self.running, self.most, self.changed, self.expected = 0, 0, threading.Condition(), expected

    def __call__(self, load, photo):
        with self.changed:
            self.running += 1
            self.most = max(self.most, self.running)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most >= self.expected, timeout=0.2)
        loaded = load(photo)
        with self.changed:
            self.running -= 1
        return loaded


@pytest.mark.parametrize(
    ("needed", "at_once"), [(images.MAX_DECODED_BYTES, 2), (images.MAX_DECODED_BYTES // 2, 4), (None, 8)]
)
def test_two_of_the_largest_photos_are_decoded_at_once_and_many_small_ones(monkeypatch, needed, at_once):
    meeting, load = Meeting(at_once + 1 if needed else at_once), images._loaded
    monkeypatch.setattr(images, "_loaded", lambda photo: meeting(load, photo))
    if needed:
        monkeypatch.setattr(images, "_needed", lambda photo: needed)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: framed(encoded(noise(32, 32, seed)), (32, 32)), range(8)))
    assert meeting.most == at_once


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_a_large_photo_needs_much_of_what_one_may_take_and_a_small_one_next_to_nothing(kind):
    small = encoded(noise(32, 32), kind)
    assert 32 * 32 <= images._needed(small) < 100_000
    large = encoded(Image.new("RGB", (4300, 4300)), kind)
    assert 0.4 * images.MAX_DECODED_BYTES < images._needed(large) <= images.MAX_DECODED_BYTES


def test_a_large_photo_is_not_kept_waiting_by_small_ones_that_come_after_it():
    memory, order, waiting = SharedMemory(2), [], threading.Event()
    with memory.taken(1):
        large = threading.Thread(target=lambda: take(memory, 2, order, waiting))
        large.start()
        waiting.wait()
        while not memory._turn.locked():
            time.sleep(0.001)
        small = threading.Thread(target=lambda: take(memory, 1, order, waiting))
        small.start()
        small.join(0.05)
        assert order == []
    large.join()
    small.join()
    assert order == [2, 1]


def take(memory, needed, order, waiting):
    waiting.set()
    with memory.taken(needed):
        order.append(needed)


def test_a_photo_that_cannot_be_decoded_leaves_its_place_to_others():
    for _ in range(5):
        with pytest.raises(ImageError):
            decode(b"GIF89a")
        with pytest.raises(ImageError):
            decode(encoded(noise(64, 64))[:200])
    assert decode(encoded(noise(32, 32))).size == (32, 32)


@needs_linux
@pytest.mark.parametrize("kind", [kind for kind in LARGEST if kind not in SLOW])
def test_the_largest_photo_of_each_kind_takes_little_memory(tmp_path, kind):
    path = tmp_path / "photo"
    _, _ = peak_of(lambda: path.write_bytes(LARGEST[kind]()))
    taken, shape = peak_of(lambda: framed(path, (448, 448)).pixels.shape)
    assert shape == (3, 448, 448)
    assert taken <= MOST
    print(f"{kind}: {taken:.0f} MB")


@needs_linux
def test_eight_large_photos_at_once_take_little_memory(tmp_path):
    kinds = ("JPEG", "progressive JPEG", "PNG with alpha", "WebP")
    for index, kind in enumerate(kinds):
        _, _ = peak_of(lambda path=tmp_path / str(index), kind=kind: path.write_bytes(LARGEST[kind]()))
    contents = [(tmp_path / str(index % len(kinds))).read_bytes() for index in range(8)]

    def uploads():
        with ThreadPoolExecutor(8) as pool:
            return len({size for _, size, _ in pool.map(reduced, contents)})

    taken, different = peak_of(uploads)
    assert different == len(set(map(len, contents))) - 1  # JPEG and PNG have one size
    assert taken <= MOST_OF_EIGHT
    print(f"eight at once: {taken:.0f} MB")

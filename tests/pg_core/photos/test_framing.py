"""How much of a photo the network sees, and what has to be said where that is little of it, or little in it."""

import hashlib
import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pg_core import __version__, certify, sample_path
from pg_core.__main__ import main
from pg_core.geometry import Box
from pg_core.networks.base import Part
from pg_core.photos.framing import USUAL, Fit, Space, Threat, View, frame
from pg_core.photos.read import BAR, to_pixels
from tests.colours import Colours

IMAGE = (224, 224)


@pytest.mark.parametrize(
    ("photo", "part", "share"),
    [
        ((224, 224), Part.MIDDLE, 1.0),
        ((300, 700), Part.WHOLE, 1.0),
        ((256, 256), Part.MIDDLE, (224 / 256) ** 2),
        ((256, 512), Part.MIDDLE, (224 / 256) ** 2 / 2),
        ((300, 3000), Part.MIDDLE, (224 / 256) ** 2 / 10),
    ],
)
def test_the_share_seen_is_that_of_the_photos_area(photo, part, share):
    assert frame(photo, IMAGE, part).share_seen == pytest.approx(share)


def test_the_share_seen_is_that_of_the_pixels_that_can_change_what_the_network_sees():
    framing = frame((256, 512), IMAGE)
    top, left = framing.top_left
    bottom, right = (int(start + size) for start, size in zip((top, left), framing.crop, strict=True))
    assert (bottom - top) * (right - left) / (256 * 512) == pytest.approx(framing.share_seen)


@pytest.mark.parametrize(
    ("photo", "part", "factors"),
    [
        ((448, 448), Part.WHOLE, (0.5, 0.5)),
        ((32, 32), Part.WHOLE, (7.0, 7.0)),
        ((100, 448), Part.WHOLE, (2.24, 0.5)),
        ((128, 300), Part.MIDDLE, (2.0, 2.0)),
    ],
)
def test_enlargement_is_pixels_for_a_pixel_along_each_axis(photo, part, factors):
    assert frame(photo, IMAGE, part).enlargement == pytest.approx(factors)


SENTENCES = {
    ((256, 256), Part.MIDDLE): None,
    (
        (256, 270),
        Part.MIDDLE,
    ): "The network sees the middle 73 % of this photo (224x224 pixels made of 224x224); "
    "nothing is claimed about the rest.",
    (
        (3000, 4000),
        Part.MIDDLE,
    ): "The network sees the middle 57 % of this photo (224x224 pixels made of 2625x2625); "
    "nothing is claimed about the rest.",
    (
        (100, 100),
        Part.MIDDLE,
    ): "The network sees this photo enlarged 2.6 times (224x224 pixels made of 88x88).",
    (
        (80, 160),
        Part.MIDDLE,
    ): "The network sees the middle 38 % of this photo, enlarged 3.2 times (224x224 pixels made "
    "of 70x70); nothing is claimed about the rest.",
    ((128, 128), Part.MIDDLE): None,
    ((3000, 4000), Part.WHOLE): None,
    (
        (100, 448),
        Part.WHOLE,
    ): "The network sees this photo enlarged 2.2 times in height (224x224 pixels made of 100x448).",
    (
        (32, 64),
        Part.WHOLE,
    ): "The network sees this photo enlarged 7 times in height and 3.5 times in width (224x224 "
    "pixels made of 32x64).",
}


@pytest.mark.parametrize(("seen", "sentence"), SENTENCES.items(), ids=str)
def test_a_photo_much_cut_or_much_enlarged_is_told_so(seen, sentence):
    photo, part = seen
    assert frame(photo, IMAGE, part).sentence() == sentence


def test_the_command_line_says_what_share_of_the_photo_is_seen(capsys, tmp_path):
    wide = tmp_path / "wide.png"
    Image.fromarray(np.zeros((600, 1800, 3), np.uint8)).save(wide)
    options = ["--model", "tiles-coarse"]
    share = frame((600, 1800), (448, 448)).share_seen
    assert main(["certify", str(wide), *options]) == 0
    assert f"\nThe network sees the middle {100 * share:.0f} % of this photo" in capsys.readouterr().out
    assert main(["certify", str(wide), *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["share_seen"] == share
    square = tmp_path / "square.png"
    with Image.open(sample_path("coffee")) as picture:
        picture.convert("RGB").resize((448, 448)).save(square)
    assert main(["certify", str(square), *options]) == 0
    assert "The network sees" not in capsys.readouterr().out


sides = st.integers(16, 90)
views = st.sampled_from(["usual", "centre", "pad", "somewhere"])


@st.composite
def framings(draw):
    """Framings of all kinds, of crops wherever one fits."""
    photo, image = draw(st.tuples(sides, sides)), draw(st.tuples(st.integers(8, 48), st.integers(8, 48)))
    part, view = draw(st.sampled_from(Part)), draw(views)
    if view == "somewhere":
        rows, columns = frame(photo, image, part, "centre").last_top_left
        view = f"{draw(st.integers(0, rows))},{draw(st.integers(0, columns))}"
    return part, frame(photo, image, part, view)


def noise(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def touched(part, framing, patch):
    """Rows and columns of the network's image that change when a patch on the photo turns from black to white."""
    images = []
    for colour in (0, 255):
        photo = noise(framing.photo_size)
        photo[patch.top : patch.bottom, patch.left : patch.right] = colour
        images.append(to_pixels(Image.fromarray(photo), framing.image_size, part, framing.view))
    changed = (images[0] != images[1]).any(axis=0)
    return [np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0)]


def kernels_that_reach(patch, length, content, image, start, crop):
    """The rows (or columns) of the network's image whose kernel reaches a patch, one by one: a pixel of the content is
    made of the photo's pixels whose centres are nearer to its own than the support of the kernel."""
    scale = crop / content.length
    support = 2 * max(1.0, scale)
    reached = set()
    for pixel in range(image):
        if not content.start <= pixel < content.start + content.length:
            continue  # a bar
        if scale == 1 and start == int(start):
            if patch <= pixel - content.start + start < patch + length:
                reached.add(pixel)
            continue
        centre = start + (pixel - content.start + 0.5) * scale
        for source in range(patch, patch + length):
            if abs(source + 0.5 - centre) < support:
                reached.add(pixel)
    return reached


class Span:
    def __init__(self, start, length):
        self.start, self.length = start, length


@settings(max_examples=150)
@given(framings(), st.data())
def test_a_patch_on_the_photo_touches_what_a_loop_over_kernels_finds_and_no_more_than_is_claimed(seen, data):
    part, framing = seen
    size = tuple(data.draw(st.integers(1, max(1, n // 3))) for n in framing.photo_size)
    top, left = (data.draw(st.integers(0, n - p)) for n, p in zip(framing.photo_size, size, strict=True))
    claimed = Threat(size, Space.PHOTO).on_network(framing)
    found = touched(part, framing, Box(top, left, *size))
    content = framing.content
    spans = (Span(content.top, content.height), Span(content.left, content.width))
    for axis, first in enumerate((top, left)):
        reached = kernels_that_reach(
            first,
            size[axis],
            spans[axis],
            framing.image_size[axis],
            framing.top_left[axis],
            framing.crop[axis],
        )
        assert set(found[axis].tolist()) <= reached
        assert len(reached) <= claimed[axis]


@given(framings())
def test_what_the_network_sees_lies_within_the_photo_and_fills_all_but_the_bars(seen):
    part, framing = seen
    for start, length, n in zip(framing.top_left, framing.crop, framing.photo_size, strict=True):
        assert start >= 0
        assert start + length <= n + 1e-6
    content = framing.content
    assert content.top >= 0
    assert content.left >= 0
    assert content.bottom <= framing.image_size[0]
    assert content.right <= framing.image_size[1]
    bars = math.prod(framing.image_size) - content.height * content.width
    assert framing.share_of_bars == pytest.approx(bars / math.prod(framing.image_size))
    assert framing.view.fit is Fit.PAD or not bars
    white = Image.fromarray(np.full((*framing.photo_size, 3), 255, np.uint8))
    pixels = to_pixels(white, framing.image_size, part, framing.view)
    grey = pixels == np.float32(BAR[0] / 255)
    outside = np.ones(framing.image_size, bool)
    outside[content.top : content.bottom, content.left : content.right] = False
    assert np.array_equal(grey, np.broadcast_to(outside, pixels.shape))


@given(st.tuples(sides, sides), st.sampled_from([(32, 32), (24, 40)]), st.sampled_from(Part))
def test_a_padded_photo_is_seen_whole_in_its_own_shape(photo, image, part):
    framing = frame(photo, image, part, "pad")
    assert framing.share_seen == 1
    assert framing.crop == photo
    rows, columns = framing.content.size
    assert rows == image[0] or columns == image[1]
    # Half a pixel of the shorter side is what whole pixels leave of a shape.
    height, width = photo
    assert abs(rows * width - columns * height) <= 0.5 * max(height, width) + 1e-6 or min(rows, columns) == 1


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (448, 224), (224, 224), (257, 256)])
def test_a_crop_in_the_middle_is_what_a_network_that_sees_the_middle_usually_sees(size):
    photo = Image.fromarray(noise(size))
    usual = to_pixels(photo, IMAGE)
    assert np.array_equal(usual, to_pixels(photo, IMAGE, view="centre"))
    top, left = map(int, frame(size, IMAGE).top_left)
    assert np.array_equal(usual, to_pixels(photo, IMAGE, view=f"{top},{left}"))


@pytest.mark.parametrize("at", list(product((0, 17, 32), (0, 31, 76))))
def test_a_crop_that_needs_no_resizing_is_cut_out_where_it_begins(at):
    photo = noise((256, 300))
    top, left = at
    seen = to_pixels(Image.fromarray(photo), IMAGE, view=View(Fit.CROP, at))
    cut = photo[top : top + 224, left : left + 224].transpose(2, 0, 1)
    assert np.array_equal(seen, cut.astype(np.float32) / np.float32(255))


def test_a_network_that_sees_all_of_a_photo_crops_the_whole_short_side():
    assert frame((300, 400), IMAGE, Part.WHOLE).crop == (300, 400)
    assert frame((300, 400), IMAGE, Part.WHOLE, "centre").crop == pytest.approx((300, 300))
    assert frame((300, 400), IMAGE, Part.WHOLE, "0,100").top_left == (0, 100)


@pytest.mark.parametrize("view", ["33,0", "0,77", "1000000,0"])
def test_a_crop_that_leaves_the_photo_is_refused_with_where_it_can_begin(view):
    with pytest.raises(ValueError, match=f"row 0 to 32 and column 0 to 76 of this 256x300 photo, got {view}"):
        frame((256, 300), IMAGE, view=view)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "middle",
        "PAD",
        "1",
        "1,2,3",
        "-1,2",
        "1.0,2",
        " 1,2",
        "x,y",
        "٣,٣",
        "9" * 30 + ",0",
        None,
        3,
        (1, 2),
    ],
)
def test_words_that_say_no_view_are_refused(words):
    with pytest.raises(ValueError, match="expected usual, centre, pad or TOP,LEFT"):
        View.named(words)


@pytest.mark.parametrize("view", [USUAL, View(Fit.CROP), View(Fit.PAD), View(Fit.CROP, (0, 12))])
def test_the_words_of_a_view_say_it_again(view):
    assert View.named(str(view)) == view


def test_only_a_crop_begins_somewhere():
    for fit, at in ((Fit.PAD, (0, 0)), (Fit.USUAL, (0, 0)), (Fit.CROP, (-1, 0))):
        with pytest.raises(ValueError, match="expected the first row and column of a crop"):
            View(fit, at)


def test_a_photo_between_bars_or_cut_elsewhere_is_told_so():
    assert frame((300, 400), IMAGE, view="pad").sentence() == (
        "The network sees all of this photo (168x224 pixels made of 300x400) between grey bars: they fill 25 % of its "
        "image, and a patch on that image may cover them too."
    )
    assert frame((32, 64), IMAGE, view="pad").sentence() == (
        "The network sees all of this photo, enlarged 3.5 times (112x224 pixels made of 32x64) between grey bars: "
        "they fill 50 % of its image, and a patch on that image may cover them too."
    )
    assert frame((448, 448), IMAGE, view="pad").sentence() is None
    assert frame((256, 256), IMAGE, view="0,9").sentence() == (
        "The network sees 77 % of this photo, from row 0 and column 9 on (224x224 pixels made of 224x224); nothing is "
        "claimed about the rest."
    )


def wide_photo(tmp_path):
    """Green on the left, red on the right."""
    photo = np.zeros((48, 240, 3), np.uint8)
    photo[:, :120], photo[:, 120:] = (10, 250, 20), (250, 20, 10)
    path = tmp_path / "wide.png"
    Image.fromarray(photo).save(path)
    return path


def test_the_verdict_is_about_the_part_that_is_seen(tmp_path):
    left, right = (
        certify(wide_photo(tmp_path), Colours(), 8, "masking", view=view) for view in ("0,0", "0,184")
    )
    assert (left.prediction, right.prediction) == ("green", "red")
    assert left.summary()["framing"]["view"] == "0,0"
    assert left.summary()["framing"]["crop"][:2] == (0, 0)
    padded = certify(wide_photo(tmp_path), Colours(), 8, "masking", view="pad")
    assert padded.summary()["framing"]["content"] == (17, 0, 13, 64)
    assert padded.summary()["share_seen"] == 1


def test_the_command_line_crops_pads_and_names_what_it_is_about(capsys, tmp_path):
    wide = wide_photo(tmp_path)
    told = {}
    for view in (["--pad"], ["--crop", "0,10"], ["--crop", "centre"], []):
        assert main(["certify", str(wide), "--model", "cifar10", "--patch-size", "5", "--json", *view]) == 0
        told[" ".join(view)] = json.loads(capsys.readouterr().out)
    seen = {options: one["framing"]["view"] for options, one in told.items()}
    assert seen == {"--pad": "pad", "--crop 0,10": "0,10", "--crop centre": "centre", "": "usual"}
    one = told["--pad"]
    assert one["photo"] == {"name": "wide.png", "sha256": hashlib.sha256(wide.read_bytes()).hexdigest()}
    assert one["version"] == __version__
    assert len(one["weights_sha256"]) == 64
    assert told["--crop 0,10"]["share_seen"] == pytest.approx(0.2)


def test_the_command_line_refuses_a_crop_outside_the_photo_in_one_line(capsys, tmp_path):
    assert main(["certify", str(wide_photo(tmp_path)), "--model", "cifar10", "--crop", "0,193"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "row 0 to 0 and column 0 to 192 of this 48x240 photo, got 0,193" in line


@pytest.mark.parametrize("wrong", [["--crop", "left"], ["--crop", "pad"], ["--crop", "1,2", "--pad"]])
def test_a_wrong_crop_is_a_usage_error(capsys, tmp_path, wrong):
    with pytest.raises(SystemExit) as ended:
        main(["certify", str(wide_photo(tmp_path)), *wrong])
    assert ended.value.code == 2
    assert "--crop" in capsys.readouterr().err.splitlines()[-1]

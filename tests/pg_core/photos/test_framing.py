"""How much of a photo the network sees, and what has to be said where that is little of it, or little in it."""

import json

import numpy as np
import pytest
from PIL import Image

from pg_core import sample_path
from pg_core.__main__ import main
from pg_core.networks.base import Part
from pg_core.photos.framing import frame

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


@pytest.mark.parametrize(("given", "sentence"), SENTENCES.items(), ids=str)
def test_a_photo_much_cut_or_much_enlarged_is_told_so(given, sentence):
    photo, part = given
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

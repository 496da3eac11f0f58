"""From a photo to its certificate: what is said is what the numbers say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pg_core import (
    Bound,
    ImageError,
    ReceptiveField,
    RobustMasking,
    Space,
    Threat,
    Verdict,
    analyse,
    examine,
    extract,
)
from pg_core.analysis.words import among_the_best
from pg_core.evidence.types import EVIDENCE_TYPES
from pg_core.photos.framing import square
from pg_core.photos.inference import SAFETY
from pg_core.photos.read import read, upright_rgb
from tests.colours import Colours


def photo(colour=(250, 20, 10), half=None):
    image = Image.new("RGB", (64, 48), colour)
    if half is not None:
        image.paste(half, (0, 0, 34, 48))
    return image


def defence(model, patch_size, **parameters):
    return RobustMasking(model.receptive_field.window_size(patch_size), **parameters)


def test_a_red_photo_is_certified_red():
    model = Colours()
    result = analyse(photo(), model, defence(model, (8, 8)), Threat((8, 8)))
    assert result.verdict is Verdict.CERTIFIED
    assert result.undefended_prediction == result.prediction == result.label == "red"
    assert (
        result.sentence()
        == "No 8x8-pixel patch anywhere on the 48x64 image the network sees can change 'red'."
    )


def test_a_photo_of_two_colours_fails_and_names_the_worst_window_its_rival_and_what_is_missing():
    model = Colours()
    result = analyse(photo(half=(10, 250, 20)), model, defence(model, (8, 8)), Threat((8, 8)))
    assert result.verdict is Verdict.NOT_CERTIFIED
    certificate, worst = result.certificate, result.certificate.worst
    margin = certificate.margin[worst.top, worst.left]
    assert margin == certificate.margin.min() < 0
    assert (
        f"{certificate.not_certified.sum()} of {certificate.windows.count} windows are not certified"
        in result.sentence()
    )
    assert (
        f"Smallest margin {margin:+.4g}: '{result.rival(worst)}' could overtake '{result.label}'"
        in result.sentence()
    )
    assert f"row {worst.top}, column {worst.left}." in result.sentence()
    assert result.rival(worst) != result.label


def test_a_patch_that_sees_the_whole_map_is_said_in_plain_words():
    model = Colours()
    result = analyse(photo(), model, defence(model, (40, 60)), Threat((40, 60)))
    assert result.certificate.windows.covering_map
    assert result.verdict is Verdict.NOT_CERTIFIED
    assert "the only window is the whole map" in result.sentence()


def test_another_label_than_the_prediction_is_nothing_to_certify():
    model = Colours()
    result = analyse(photo(), model, defence(model, (8, 8)), label="blue")
    assert result.verdict is Verdict.MISCLASSIFIED
    assert result.sentence() == (
        "Nothing to certify for 'blue': without any patch the defended prediction is 'red'."
    )


def test_margins_within_the_float_tolerance_are_undecided():
    class Doubtful(Colours):
        def local_logits(self, pixels, window=None):
            return super().local_logits(pixels, window) + np.float32(2.0 if window else 0.0)

    model = Doubtful()
    result = analyse(photo((250, 100, 100)), model, defence(model, (8, 8)))
    assert result.features.delta == pytest.approx(SAFETY * 2.0)
    assert result.certificate.not_certified.sum() == 0
    assert result.verdict is Verdict.UNDECIDED
    assert "within the tolerance, which is estimated" in result.sentence()


def test_thresholds_patches_and_labels_do_not_run_the_network_again():
    model = Colours()
    features = extract(photo(), model)
    runs = len(model.seen)
    for threshold in (0.0, 0.2):
        for patch_size in ((4, 4), (8, 12)):
            for clip_high in (1.0, np.inf):
                for label in (None, "green"):
                    chosen = defence(model, patch_size, threshold=threshold, clip_high=clip_high)
                    examine(features, chosen, Threat(patch_size), label)
    assert len(model.seen) == runs


def test_the_network_sees_a_photo_once_noise_once_and_single_cells_for_delta():
    model = Colours()
    extract(photo(), model)
    assert model.seen.count(model.image_size) == 2
    extract(photo((0, 9, 9)), model)
    assert model.seen.count(model.image_size) == 3
    assert set(model.seen) == {model.image_size, model.receptive_field.size}


def test_the_claim_defaults_to_the_largest_patch_that_the_window_covers():
    model = Colours()
    result = analyse(photo(), model, RobustMasking((5, 5)))
    assert result.threat == Threat((4 * 5 - 12 + 1,) * 2)
    with pytest.raises(ValueError, match="covers a patch of 1x1 pixels"):
        analyse(photo(), model, RobustMasking((2, 2)))


def test_a_window_too_small_for_the_patch_is_refused():
    model = Colours()
    with pytest.raises(ValueError, match="at least 6x6 features for this patch, got 5x5"):
        analyse(photo(), model, RobustMasking((5, 5)), Threat((10, 10)))


def test_a_patch_on_the_original_photo_is_enlarged_by_the_spread_of_the_kernel():
    model = Colours()
    large = photo().resize((640, 480))
    threat = Threat((60, 60), Space.PHOTO)
    features = extract(large, model)
    touched = threat.on_network(features.framing)
    assert touched[0] > 60 * 48 / features.framing.crop[0]
    result = examine(features, defence(model, touched), threat)
    assert "anywhere on the original 480x640 photo" in result.sentence()
    assert f"at most {touched[0]}x{touched[1]} pixels" in result.sentence()


def test_a_patch_larger_than_the_image_and_an_unknown_label_are_refused():
    model = Colours()
    with pytest.raises(ValueError, match="1x1 to 48x64 pixels"):
        analyse(photo(), model, RobustMasking((9, 9)), Threat((49, 10)))
    with pytest.raises(ValueError, match="one of the 3 classes, got 'pink'"):
        analyse(photo(), model, defence(model, (8, 8)), label="pink")


def test_windows_that_do_not_wrap_around_as_the_map_does_are_refused():
    model = Colours()
    with pytest.raises(ValueError, match="expected wrapping = False for"):
        analyse(photo(), model, defence(model, (8, 8), wrapping=True))


def test_a_file_that_is_no_photo_is_refused_by_name(tmp_path):
    path = tmp_path / "words.jpg"
    path.write_text("no photo")
    model = Colours()
    with pytest.raises(ImageError, match=r"words\.jpg: This is text, not an image; "):
        analyse(path, model, RobustMasking((5, 5)))


@pytest.mark.parametrize("evidence", list(EVIDENCE_TYPES.values()))
@pytest.mark.parametrize("bound", list(Bound))
def test_the_summary_is_json_and_agrees_with_the_certificate(evidence, bound):
    model = Colours()
    chosen = defence(model, (8, 8), evidence=evidence, bound=bound, threshold=0.1, clip_high=3.0)
    result = analyse(photo(half=(10, 200, 20)), model, chosen)
    told = json.loads(json.dumps(result.summary()))
    margin = result.certificate.margin
    assert told["verdict"] == result.verdict
    assert told["smallest_margin"] == margin.min()
    assert told["windows_not_certified"] == (margin.size if bound is Bound.PUBLISHED else (margin <= 0).sum())
    assert told["windows_proved"] == result.certificate.proved.sum()
    counts = ("windows_proved", "windows_undecided", "windows_not_certified")
    assert sum(told[name] for name in counts) == told["windows"]
    assert told["claim"] == ("nothing" if bound is Bound.PUBLISHED else "keeps the label")
    assert told["windows"] == margin.size
    worst = told["worst"]
    assert worst["lower"] - worst["upper"] == pytest.approx(told["smallest_margin"])
    assert worst["rival"] in model.classes
    assert told["evidence"] == evidence.name
    assert told["bound"] == bound
    assert told["clip_high"] == 3.0


def test_an_analysis_prints_itself_legibly():
    model = Colours()
    result = analyse(photo(), model, defence(model, (8, 8)))
    lines = str(result).splitlines()
    assert lines[0] == result.sentence()
    assert any(line.split() == ["defended", "red"] for line in lines)
    assert "robust masking of 5x5 windows, T = 0, logits, sound bound" in str(result)
    for value in (result, result.features, result.masking, result.certificate):
        assert len(repr(value)) < 1000


def test_the_undefended_prediction_is_the_largest_mean_of_unclipped_logits():
    class Bitter(Colours):
        receptive_field = ReceptiveField((12, 12), (12, 12))

        def local_logits(self, pixels, window=None):
            logits = super().local_logits(pixels, window)
            logits[0, 0, 0] = -1000.0
            return logits

    result = analyse(photo(), Bitter(), RobustMasking((2, 2)))
    assert result.prediction == "red"
    assert result.undefended_prediction != "red"


def test_the_published_bound_proves_nothing_above_a_threshold_of_zero():
    model = Colours()
    chosen = defence(model, (8, 8), threshold=0.2, bound=Bound.PUBLISHED)
    result = analyse(photo(), model, chosen)
    assert (result.certificate.margin > result.certificate.tolerance).all()
    assert result.verdict is Verdict.UNPROVED
    assert result.summary()["verdict"] == "unproved"
    assert result.sentence().startswith("Nothing is proved against")
    at_zero = examine(result.features, defence(model, (8, 8), bound=Bound.PUBLISHED))
    assert at_zero.sentence().startswith("No ")


def test_a_photo_is_the_same_by_path_and_as_a_picture_orientation_and_depth_included(tmp_path):
    path = tmp_path / "turned.png"
    values = np.linspace(0, 65535, 40 * 30).reshape(40, 30).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(path, exif=exif)
    model = Colours()
    by_path = extract(path, model)
    with Image.open(path) as picture:
        by_picture = extract(picture, model)
    again = extract(upright_rgb(read(path)), model)
    assert by_path.framing.photo_size == (30, 40)
    np.testing.assert_array_equal(by_path.pixels, by_picture.pixels)
    np.testing.assert_array_equal(by_path.pixels, again.pixels)


def test_networks_that_give_no_finite_logits_are_refused():
    class Broken(Colours):
        def local_logits(self, pixels, window=None):
            return super().local_logits(pixels, window) * np.float32(np.inf)

    with pytest.raises(ValueError, match="NaN or infinite"):
        extract(photo(), Broken())


@pytest.mark.parametrize("image_size", [(224, 224), (100, 1000), (1000, 100), (48, 64)])
@pytest.mark.parametrize("share", [0.01, 0.02, 0.5, 1.0])
def test_a_share_of_the_image_is_covered_and_fits(share, image_size):
    height, width = square(share, image_size)
    assert height * width >= share * image_size[0] * image_size[1]
    assert height <= image_size[0]
    assert width <= image_size[1]
    assert height == width or min(height, width) == min(image_size)


def test_the_words_and_the_summary_tell_the_least_rank_where_the_defence_ranks_the_classes():
    model = Colours()
    features = extract(photo(), model)
    ranked = examine(features, RobustMasking.for_patch(model, (8, 8)))
    told, k = ranked.summary(), int(ranked.certificate.worst_rank)
    assert (told["rank"], told["least_rank"]) == (ranked.certificate.rank, k)
    sentences = {
        1: f"Whatever a patch shows, '{ranked.label}' stays the best class by score.",
        2: f"Whatever a patch shows, '{ranked.label}' stays among the best 2 of 3 classes by score.",
        3: f"No place among the 3 classes is proved for '{ranked.label}', but the last.",
    }
    for least, sentence in sentences.items():
        certificate = replace(
            ranked.certificate, least_rank=np.full_like(ranked.certificate.least_rank, least)
        )
        assert among_the_best(replace(ranked, certificate=certificate)) == sentence
    without = examine(features, replace(ranked.robust_masking, threshold=0.2))
    assert among_the_best(without) is None
    assert "least_rank" not in without.summary()

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pg_core.defences.base import Verdict
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.head import HeadMasking
from pg_core.evidence.head import LEAST, POWERS, MaskingHead
from pg_core.evidence.types import EvidenceType, confidence
from pg_core.geometry import cells


def drawn_head(random, classes=3):
    """Weights as trained ones are: most of all the sharpened confidence of the class itself."""
    weights = random.normal(0, 0.3, (classes, len(POWERS) * classes))
    weights[:, classes : 2 * classes] += 2 * np.eye(classes)
    return MaskingHead(tuple(map(tuple, weights.tolist())), tuple(random.normal(0, 0.1, classes).tolist()))


def all_windows(shape, size):
    rows, columns = shape
    height, width = size
    return [
        (top, left, height, width) for top in range(rows - height + 1) for left in range(columns - width + 1)
    ]


def without(values, *windows):
    kept = values.copy()
    for top, left, height, width in windows:
        kept[:, top : top + height, left : left + width] = 0
    return kept


def scored(head, kept):
    """The scores of what is left, number by number."""
    cells_of_map = kept.shape[1] * kept.shape[2]
    logs = [math.log(float(one.sum()) / cells_of_map + LEAST) for one in kept]
    return [
        bias + sum(weight * log for weight, log in zip(row, logs, strict=True))
        for row, bias in zip(head.weights, head.biases, strict=True)
    ]


def said(head, kept):
    scores = scored(head, kept)
    return scores.index(max(scores))


def two_rounds(head, values, size):
    """The prediction by literal loops."""
    windows = all_windows(values.shape[1:], size)
    one = [said(head, without(values, i)) for i in windows]
    majority = max(range(head.classes), key=lambda label: (one.count(label), -label))
    for i, own in zip(windows, one, strict=True):
        if own != majority and all(said(head, without(values, i, j)) == own for j in windows):
            return own
    return majority


def drawn(random, shape=(3, 4, 5), spread=2.0):
    local_logits = random.normal(0, spread, shape)
    local_logits[0] += random.uniform(0, 3)
    return local_logits


@pytest.mark.parametrize("seed", range(40))
def test_predictions_and_margins_are_those_of_literal_loops(seed):
    random = np.random.default_rng(seed)
    head, local_logits = drawn_head(random), drawn(random)
    defence, size = HeadMasking((2, 2), head), (2, 2)
    values = defence.values(local_logits)
    expected = np.concatenate([confidence(local_logits) ** power for power in POWERS])
    np.testing.assert_allclose(values, expected, atol=1e-12)
    certificate = defence.certify(local_logits, 0)
    assert certificate.prediction == two_rounds(head, values, size)
    windows = all_windows(values.shape[1:], size)
    for w in windows:
        leads = []
        for j in windows:
            scores = scored(head, without(values, w, j))
            leads += [scores[0] - other for other in scores[1:]]
        assert certificate.margin[w[:2]] == pytest.approx(min(leads), abs=1e-9)


def test_both_verdicts_and_a_standing_disagreer_are_drawn():
    """What the test above and the adversaries below need."""
    verdicts, disagreers = [], 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        defence, local_logits = HeadMasking((2, 2), drawn_head(random)), drawn(random)
        certificate = defence.certify(local_logits, 0)
        verdicts += certificate.verdicts.ravel().tolist()
        disagreers += int(defence.predict(local_logits).disagreer) >= 0
    assert verdicts.count("certified") > 50
    assert verdicts.count("not certified") > 50
    assert disagreers > 0


LEVELS = (0.0, 0.5, 1.0)


def test_no_content_of_a_certified_window_changes_the_prediction_by_enumeration():
    """Every content on a lattice of confidences of two cells, on each certified window of many maps."""
    shares = [
        share
        for share in itertools.product(LEVELS, repeat=3)
        if sum(share) <= 1  # a cell that is sure of nothing is legal too: other classes may have the rest
    ]
    contents = np.array(list(itertools.product(shares, repeat=2)))
    tried = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        defence = HeadMasking((1, 2), drawn_head(random))
        local_logits = drawn(random, (3, 2, 4))
        certificate, values = defence.certify(local_logits), defence.values(local_logits)
        for row, column in np.argwhere(certificate.proved).tolist():
            window = certificate.windows.window(row, column)
            maps = np.broadcast_to(values, (len(contents), *values.shape)).copy()
            inside = cells(window, values.shape[1:])
            filled = np.concatenate([contents**power for power in POWERS], axis=-1)
            maps[(slice(None), slice(None), *inside)] = np.moveaxis(filled, -1, 1)[:, :, None]
            assert (defence.mask(maps).label == certificate.label).all()
            tried += len(contents)
    assert tried > 10_000


@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**32 - 1),
    content=arrays(np.float64, (3, 2, 2), elements=st.floats(-12, 12)),
)
def test_no_local_logits_inside_a_certified_window_change_the_prediction(seed, content):
    random = np.random.default_rng(seed)
    defence, local_logits = HeadMasking((2, 2), drawn_head(random)), drawn(random, spread=1.0)
    certificate = defence.certify(local_logits)
    for row, column in np.argwhere(certificate.proved).tolist():
        attacked = local_logits.copy()
        attacked[:, row : row + 2, column : column + 2] = content
        assert defence.predict(attacked).label == certificate.label


@pytest.mark.parametrize("seed", range(30))
def test_an_error_within_delta_never_turns_a_certified_margin_over(seed):
    random = np.random.default_rng(seed)
    defence, local_logits, delta = HeadMasking((2, 2), drawn_head(random)), drawn(random), 0.02
    certificate = defence.certify(local_logits, 0, delta)
    for _ in range(50):
        moved = local_logits + delta * random.choice([-1, 1], local_logits.shape)
        margin = defence.certify(moved, 0).margin
        assert (margin >= certificate.margin - certificate.tolerance).all()
    assert (certificate.tolerance > 0).all()


def test_a_margin_within_the_tolerance_is_undecided():
    random = np.random.default_rng(3)
    verdicts = set()
    for _ in range(200):
        certificate = HeadMasking((2, 2), drawn_head(random)).certify(drawn(random), 0, 0.05)
        verdicts.add(certificate.verdict)
    assert Verdict.UNDECIDED in verdicts
    assert Verdict.CERTIFIED in verdicts


def test_a_witness_is_a_prediction_of_another_class_for_a_map_that_differs_inside_the_window_only():
    found = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        defence, local_logits = HeadMasking((2, 2), drawn_head(random)), drawn(random)
        certificate, values = defence.certify(local_logits), defence.values(local_logits)
        for row, column in np.argwhere(~certificate.proved).tolist():
            window = certificate.windows.window(row, column)
            witness = defence.attacked_prediction(values, int(certificate.label), window)
            if witness is None:
                continue
            found += 1
            assert witness.label != certificate.label
            for content in range(3):
                attacked = defence.attacked(values, content, window)
                outside = np.ones(values.shape[1:], bool)
                outside[row : row + 2, column : column + 2] = False
                np.testing.assert_array_equal(attacked[:, outside], values[:, outside])
                assert attacked[:, ~outside].sum() == len(POWERS) * 4
    assert found > 20


def test_a_head_of_sharpened_confidence_alone_says_what_double_masking_on_features_says():
    random = np.random.default_rng(0)
    weights = np.zeros((3, 9))
    weights[:, 3:6] = np.eye(3)
    head = MaskingHead(tuple(map(tuple, weights.tolist())), (0.0, 0.0, 0.0))
    certified = 0
    for _ in range(100):
        local_logits = drawn(random)
        ours = HeadMasking((2, 2), head).certify(local_logits, 0)
        theirs = FeatureMasking((2, 2), EvidenceType.SHARPENED).certify(local_logits, 0)
        assert ours.prediction == theirs.prediction
        np.testing.assert_array_equal(ours.proved, theirs.proved)
        certified += int(ours.certified)
    assert 5 < certified < 95


def test_windows_around_the_edge_are_masks_too():
    random = np.random.default_rng(1)
    head = drawn_head(random)
    local_logits = drawn(random, (3, 1, 6))
    certificate = HeadMasking((1, 2), head, wrapping=True).certify(local_logits)
    turned = HeadMasking((1, 2), head, wrapping=True).certify(np.roll(local_logits, 2, axis=-1))
    assert certificate.margin.shape == (1, 6)
    np.testing.assert_allclose(turned.margin, np.roll(certificate.margin, 2, axis=-1), atol=1e-9)


def test_a_batch_is_certified_as_each_of_its_maps():
    random = np.random.default_rng(2)
    defence = HeadMasking((2, 2), drawn_head(random))
    maps = np.stack([drawn(random) for _ in range(6)])
    together = defence.certify(maps, np.arange(6) % 3, 0.01)
    for index, local_logits in enumerate(maps):
        alone = defence.certify(local_logits, index % 3, 0.01)
        np.testing.assert_allclose(together[index].margin, alone.margin, atol=1e-12)
        assert together[index].verdict == alone.verdict


def test_a_head_is_what_its_card_says():
    head = drawn_head(np.random.default_rng(0))
    assert MaskingHead.from_json(head.to_json()) == head


def test_two_heads_are_two_settings():
    first, second = (drawn_head(np.random.default_rng(seed)) for seed in range(2))
    assert str(HeadMasking((2, 2), first)) == str(HeadMasking((2, 2), drawn_head(np.random.default_rng(0))))
    assert str(HeadMasking((2, 2), first)) != str(HeadMasking((2, 2), second))


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"powers": [1, 3, 8]},
        {"powers": [1, 2], "weights": [[0.0] * 6] * 2, "biases": [0.0, 0.0]},
        {"powers": [1, 3, 8], "weights": [[0.0] * 5] * 2, "biases": [0.0, 0.0]},
        {"powers": [1, 3, 8], "weights": [[0.0] * 6] * 3, "biases": [0.0, 0.0]},
        {"powers": [1, 3, 8], "weights": [[0.0] * 6] * 2, "biases": [0.0, float("nan")]},
        {"powers": [1, 3, 8], "weights": "much", "biases": [0.0, 0.0]},
        {"powers": [1, 3, 8], "weights": [[0.0] * 3], "biases": [0.0]},
        {"powers": [1, 3, 8], "weights": 3, "biases": 4},
    ],
)
def test_what_is_no_head_is_refused_in_one_sentence(content):
    with pytest.raises(ValueError, match="expected") as refused:
        MaskingHead.from_json(content)
    assert "\n" not in str(refused.value)


def test_local_logits_of_other_classes_are_refused():
    defence = HeadMasking((2, 2), drawn_head(np.random.default_rng(0)))
    with pytest.raises(ValueError, match="of the head's 3 classes, got 4"):
        defence.predict(np.zeros((4, 5, 5)))

"""Each pair of window and rival is certified or has a witness, and a witness is legal evidence that wins."""

import itertools
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pg_core.defences.base import Claim, Verdict
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.tight import Surroundings, least_kept, most_kept
from pg_core.defences.patchguard.witness import WindowStatus, find_witness, window_status, window_statuses
from pg_core.evidence.grid import clip, scale
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import Window, Windows, cells
from tests import reference
from tests.pg_core.defences.patchguard.test_masking import THRESHOLDS, defences, led_maps

CLIPPINGS = (math.inf, 0.7, 3.0)
PAIRS = 850
"""Of window and rival, for each kind of evidence and each T: 10,200 in all."""


def random_led_map(random):
    """Local logits in which a class leads, whole numbers (many ties) or not, and that class."""
    classes, rows, columns = random.integers(2, 5), *random.integers(2, 7, 2)
    shape = (classes, rows, columns)
    local_logits = (
        random.uniform(-1, 2, shape) if random.random() < 0.7 else random.integers(-1, 3, shape) * 1.0
    )
    leader = int(random.integers(classes))
    local_logits[leader] += random.choice([0.5, 1.0, 2.0]) if random.random() < 0.5 else random.uniform(0, 3)
    return local_logits, leader


def random_defence(random, kind, threshold):
    size = tuple(int(k) for k in random.integers(1, 4, 2))
    wrapping = bool(random.random() < 0.5)
    return RobustMasking(size, threshold, kind, float(random.choice(CLIPPINGS)), Bound.TIGHT, wrapping)


def duel(defence, evidence, label, rival):
    """What Algorithm 1 says to two classes alone, in their order, and which of them is the label."""
    return defence.mask(evidence[sorted((label, rival))]), int(label > rival)


def require_a_legal_winner(witness, benign, defence):
    """The witness differs inside w only, is what `clip` could give, and wins in the literal Algorithm 1."""
    evidence, w = witness.evidence, np.zeros(benign.shape[-2:], bool)
    w[cells(witness.window, w.shape)] = True
    np.testing.assert_array_equal(evidence[:, ~w], benign[:, ~w])
    inside, top = evidence[:, w], defence.top(benign.shape[-2:])
    assert inside.min() >= 0
    assert inside.max() <= top
    if defence.evidence != EvidenceType.LOGITS:
        assert top <= 1
    if defence.evidence == EvidenceType.CONFIDENCE:
        assert inside.sum(axis=0).max() <= 1
    if defence.evidence == EvidenceType.SHARPENED:
        assert np.cbrt(inside).sum(axis=0).max() <= 1 + 1e-12
    if defence.evidence == EvidenceType.PREDICTION:
        assert set(np.unique(inside)) <= {0.0, top}
        assert np.count_nonzero(inside, axis=0).max() <= 4  # more cannot have a confidence above 0.2
    steps = evidence / scale(benign.shape[-2:], defence.evidence, defence.clip_high)[1]
    np.testing.assert_array_equal(steps, np.rint(steps))
    literal = reference.windows(*benign.shape[-2:], *defence.window_size, defence.wrapping)
    predicted, scores, _ = reference.algorithm_1(evidence, literal, defence.threshold)
    assert predicted == witness.prediction != witness.label
    np.testing.assert_array_equal(scores, witness.scores)
    assert defence.mask(evidence).label == predicted


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("kind", list(EVIDENCE_TYPES.values()))
def test_a_pair_of_window_and_rival_is_certified_or_has_a_witness_and_never_both(kind, threshold):
    """But for ties; confidences and votes at T > 0 may stay undecided, in fewer than one pair of a hundred."""
    random, known, zero = np.random.default_rng(5), Counter(), 0
    while known.total() < PAIRS:
        local_logits, label = random_led_map(random)
        if random.random() < 0.25:  # as the maps of bands are
            local_logits = local_logits.reshape(len(local_logits), 1, -1)[..., :12]
        defence = random_defence(random, kind, threshold)
        evidence = clip(local_logits, kind, defence.clip_high)
        for rival in set(range(len(evidence))) - {label}:
            masking, at = duel(defence, evidence, label, rival)
            certificate = defence.certify_masking(masking, at)
            for row, column in np.ndindex(certificate.windows.shape):
                window = certificate.windows.window(row, column)
                status, witness = window_status(defence, masking, certificate, window)
                margin = certificate.margin[row, column]
                known[status] += 1
                assert (status is WindowStatus.COUNTEREXAMPLE) == (witness is not None)
                if status is WindowStatus.CERTIFIED:
                    assert margin > 0
                    assert find_witness(defence, masking, at, window) is None
                elif status is WindowStatus.COUNTEREXAMPLE:
                    require_a_legal_winner(witness, masking.evidence, defence)
                elif status is WindowStatus.TIED:
                    assert margin == 0
                    assert threshold > 0 or label < rival
                    assert threshold == 0 or kind == EvidenceType.LOGITS
                elif threshold == 0 or kind == EvidenceType.LOGITS:
                    assert threshold > 0
                    assert abs(margin) <= 1e-8 * certificate.outside[row, column]
                else:
                    assert (status is WindowStatus.UNDECIDED) == (margin > 0)
                    zero += margin == 0
    assert known[WindowStatus.CERTIFIED] >= PAIRS / 4
    assert known[WindowStatus.COUNTEREXAMPLE] >= PAIRS / 20
    assert known[WindowStatus.UNDECIDED] + known[WindowStatus.OPEN] - zero <= PAIRS / 100


@pytest.mark.parametrize("kind", list(EVIDENCE_TYPES.values()))
@settings(max_examples=25)
@given(st.data(), led_maps())
def test_a_witness_in_the_whole_map_wins_against_its_label(kind, data, drawn):
    defence = data.draw(defences(Bound.TIGHT, kinds=(kind,)))
    local_logits, label = drawn
    masking = defence.predict(local_logits)
    certificate = defence.certify_masking(masking, label)
    for window, status in zip(
        map(certificate.windows.at, range(certificate.windows.count)),
        window_statuses(defence, masking, certificate).ravel(),
        strict=True,
    ):
        judged, witness = window_status(defence, masking, certificate, window)
        assert judged == status
        if witness is not None:
            assert witness.window == window
            require_a_legal_winner(witness, masking.evidence, defence)


@settings(max_examples=40)
@given(st.data(), led_maps(0.0, 2))
def test_the_tight_bounds_lie_between_the_benign_evidence_and_the_plain_bounds(data, drawn):
    tight = data.draw(defences(Bound.TIGHT))
    sound = replace(tight, bound=Bound.SOUND)
    local_logits, label = drawn
    delta = data.draw(st.sampled_from([0.0, 0.0, 1e-3]))
    plain, sharp = (defence.certify(local_logits, label, delta) for defence in (sound, tight))
    masking = sound.predict(local_logits)
    benign = masking.evidence.sum(axis=(1, 2))[:, None, None] - masking.window_sums
    assert (sharp.lower >= plain.lower).all()
    assert (sharp.upper <= plain.upper).all()
    assert (sharp.upper >= np.delete(benign, label, axis=0).max(axis=0)).all()
    proved = plain.margin > plain.tolerance
    np.testing.assert_array_equal(sharp.margin[proved], plain.margin[proved])
    assert sharp.claim is Claim.LABEL
    assert (sharp.margin > sharp.tolerance)[proved].all()


def contents(levels, cells, limit=1024):
    """Every content of this many cells, of these levels; an evenly spread part if there are too many."""
    number = len(levels) ** cells
    for n in range(0, number, -(-number // limit)):
        yield [levels[n // len(levels) ** k % len(levels)] for k in range(cells)]


@pytest.mark.parametrize("threshold", THRESHOLDS[1:])
@pytest.mark.parametrize("whole", [False, True])
@settings(max_examples=20)
@given(data=st.data())
def test_no_content_of_a_grid_search_beats_the_exact_bounds(whole, threshold, data):
    """For whole contents the search is exhaustive."""
    map_size = data.draw(st.tuples(st.integers(1, 3), st.integers(2, 5)))
    size = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    top = 1.0 if whole else data.draw(st.sampled_from([0.75, 3.0, 64.0]))
    values = st.sampled_from([0.0, 1.0] if whole else [0.0, top / 2, top, top * 0.3, top * 0.05])
    benign = np.array(data.draw(st.lists(values, min_size=15, max_size=15)))[: math.prod(map_size)]
    windows = Windows(map_size, size)
    evidence = clip(benign.reshape(1, *map_size))[0]
    window = windows.at(data.draw(st.integers(0, windows.count - 1)))
    around = Surroundings.of(evidence, windows, window, threshold)
    cells = window.height * window.width
    hidden = threshold * around.outside / (1 - threshold)
    levels = (
        [0.0, top] if whole else sorted({0.0, top, top / 2, *(min(hidden * f, top) for f in (0.25, 0.5, 1))})
    )
    tried = np.floor(np.array(list(contents(levels, cells))) * 2**20) / 2**20  # on the grid
    scores = RobustMasking(size, threshold).mask(around.filled(tried)[:, None]).scores
    rounding = 1e-12 * (around.outside + top)  # contents need not lie on the grid of the evidence
    assert scores.max() <= most_kept(around, top, whole) + rounding
    if around.benign.max() <= threshold * around.outside:
        least = least_kept(around, top)
        assert scores.min() >= least - rounding
        if whole:
            assert scores.min() == pytest.approx(least)


@pytest.mark.parametrize("threshold", THRESHOLDS[1:])
def test_the_informed_adversary_breaks_no_exact_certificate(threshold):
    tried = []

    @settings(max_examples=20)
    @given(defences(Bound.TIGHT, (threshold,), largest=2), led_maps(1.0, 4))
    def check(defence, drawn):
        local_logits, label = drawn
        certificate = defence.certify(local_logits, label)
        evidence = clip(local_logits, defence.evidence, defence.clip_high)
        literal = reference.windows(*evidence.shape[-2:], *defence.window_size, defence.wrapping)
        proved = certificate.margin.ravel() > certificate.tolerance.ravel()
        top = defence.top(evidence.shape[-2:])
        for n in np.flatnonzero(proved)[np.argsort(certificate.margin.ravel()[proved])][:4]:
            content = reference.informed_adversary(evidence, label, literal[n], literal, threshold, top)
            scores = np.array(reference.algorithm_1(content, literal, threshold)[1])
            assert scores[label] > np.delete(scores, label).max()
            tried.append(n)

    check()
    assert len(tried) >= 30


@pytest.mark.parametrize("delta", [1e-4, 1e-2])
@settings(max_examples=30)
@given(data=st.data(), drawn=led_maps(0.3, 3), seed=st.integers(0, 2**32 - 1))
def test_an_error_of_delta_brings_no_witness_to_a_certified_window(delta, data, drawn, seed):
    defence = data.draw(defences(Bound.TIGHT, THRESHOLDS[1:]))
    local_logits, label = drawn
    certificate = defence.certify(local_logits, label, delta)
    proved = certificate.margin > certificate.tolerance
    assume(proved.any())
    random = np.random.default_rng(seed)
    for _ in range(3):
        moved = defence.predict(local_logits + random.choice([-delta, 0, delta], local_logits.shape))
        for row, column in np.argwhere(proved)[:6]:
            window = certificate.windows.window(int(row), int(column))
            assert find_witness(defence, moved, label, window) is None


def test_an_error_of_delta_that_makes_the_program_feasible_is_doubt():
    """A benign window of 2.001 forbids the rival to hide; one of 2 lets it hide 2 and keep 5 instead of 3."""
    label, rival = np.full((1, 4), 1.5), np.array([[0.0, 2.001, 0.999, 0.0]])
    tight = np.stack([label, rival])
    defence = RobustMasking((1, 1), 0.4, bound=Bound.TIGHT)
    window = Window(0, 0, 1, 1)
    assert defence.certify(tight, 0).upper[0, 0] == 3
    certificate = defence.certify(tight, 0, 1e-3)
    assert not certificate.margin[0, 0] > certificate.tolerance[0, 0]
    measured = tight.copy()
    measured[1, 0, 1:3] += [-0.001, 0.001]
    assert find_witness(defence, defence.predict(measured), 0, window) is not None


@pytest.mark.parametrize(
    ("benign", "top", "most"),
    [
        ([1.0, 1.0, 1.0], math.inf, 5.0),  # hides T t/(1 - T) = 2
        ([1.0, 1.0, 1.0], 0.5, 3.5),  # no room for more than 0.5
        ([2.0, 1.0, 0.0], math.inf, 5.0),  # just at T
        ([2.1, 0.9, 0.0], math.inf, 3.0),  # the benign window is detected whatever w holds: the cheap test
        ([1.5, 1.5, 0.0], 0.5, 3.0),  # 1.5 of 3.5 is too much, and w has no room to hide it
        ([0.0, 0.0, 0.0], 1.0, 0.0),
    ],
)
def test_what_a_rival_keeps_at_most_is_worked_out_by_hand(benign, top, most):
    evidence = np.array([[9.0, *benign]])
    around = Surroundings.of(evidence, Windows((1, 4), (1, 1)), Window(0, 0, 1, 1), 0.4)
    assert most_kept(around, min(top, 2.0**16)) == pytest.approx(most, rel=1e-9)


def test_a_window_that_meets_two_straddling_ones_needs_the_program():
    """w = {2, 3} of [2, 1, w, 1, 2]: evidence in its one end counts in a window of 1 + a, in both ends in w."""
    evidence = np.array([[2.0, 1.0, 0.0, 0.0, 1.0, 2.0]])
    around = Surroundings.of(evidence, Windows((1, 6), (1, 2)), Window(0, 2, 1, 2), 0.4)
    # Windows {0, 1} and {4, 5} hold 3 <= 0.4 (6 + e): e >= 1.5. Window w: e <= 4.
    assert most_kept(around, 2.0**16) == pytest.approx(10)
    assert most_kept(around, 0.75) == pytest.approx(7.5)
    assert most_kept(around, 0.74) == 6


def test_the_range_of_the_evidence_decides_which_straddling_window_the_label_fears():
    """T t = 1.6 > 1 + c_h for a narrow range: then the window of 1 cannot be detected."""
    evidence = np.array([[0.0, 1.0, 1.0, 1.0, 1.0]])
    around = Surroundings.of(evidence, Windows((1, 5), (1, 2)), Window(0, 0, 1, 2), 0.5)
    assert least_kept(around, 2.0**16) == 2
    assert least_kept(around, 0.9) == 3
    assert least_kept(around, 1.1) == 2


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_a_tie_is_broken_only_if_the_rule_favours_the_rival(threshold):
    """Window and map are the same: nothing is left of any class, and the first class wins."""
    defence = RobustMasking((2, 2), threshold, bound=Bound.TIGHT)
    masking = defence.mask(np.ones((2, 2, 2)))
    window = Window(0, 0, 2, 2)
    assert window_status(defence, masking, defence.certify_masking(masking, 0), window) == (
        WindowStatus.TIED,
        None,
    )
    status, witness = window_status(defence, masking, defence.certify_masking(masking, 1), window)
    assert status is WindowStatus.COUNTEREXAMPLE
    require_a_legal_winner(witness, masking.evidence, defence)
    assert str(witness) == "Witness(window at row 0, column 0: 0 with 0 beats 1 with 0)"


def test_a_witness_refutes_the_published_bound():
    """The counterexample of test_masking.py: the published bound has a margin at a window that has a witness."""
    label = [2.0, 1.0, 2.0, 2.0, 0.0, 3.0, 1.0, 3.0]
    rival = [2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0]
    benign = np.array([[label], [rival]])
    defence = RobustMasking((1, 2), 0.4, bound=Bound.PUBLISHED)
    masking, certificate = defence.predict(benign), defence.certify(benign, 0)
    assert (certificate.margin > 0).all()
    assert certificate.verdict is Verdict.UNPROVED
    known = window_statuses(defence, masking, certificate)
    assert known[0, 6] == WindowStatus.COUNTEREXAMPLE
    assert WindowStatus.CERTIFIED not in known
    _, witness = window_status(defence, masking, certificate, Window(0, 6, 1, 2))
    require_a_legal_winner(witness, masking.evidence, defence)


@pytest.mark.parametrize(
    ("seed", "size", "threshold", "at"),
    [
        (22, (2, 1), 0.2, (1, 2)),
        (45, (1, 2), 0.2, (2, 1)),
        (21, (2, 2), 0.4, (2, 1)),
        (91, (2, 1), 0.4, (1, 1)),
    ],
)
def test_label_and_rival_share_a_confidence_of_one(seed, size, threshold, at):
    """At T > 0 the label may need evidence in w to lose a straddling window, which leaves the rival less room."""
    local_logits, label = random_led_map(np.random.default_rng(seed))
    defence = RobustMasking(size, threshold, EvidenceType.CONFIDENCE, bound=Bound.TIGHT)
    masking = defence.predict(local_logits)
    witness = find_witness(defence, masking, label, Window(*at, *size))
    inside = cells(witness.window, local_logits.shape[1:])
    assert witness.evidence[label][inside].any()
    assert witness.evidence[witness.rival][inside].any()
    require_a_legal_winner(witness, masking.evidence, defence)


def test_a_batch_is_sharpened_map_by_map():
    random = np.random.default_rng(3)
    batch = random.uniform(-1, 2, (2, 3, 4, 5, 6))
    batch[:, :, 2] += 0.8
    defence = RobustMasking((2, 3), 0.4, bound=Bound.TIGHT)
    certificates = defence.certify(batch, 2, 1e-4)
    for one, two in itertools.product(range(2), range(3)):
        certificate = defence.certify(batch[one, two], 2, 1e-4)
        for name in ("lower", "upper", "rival", "tolerance"):
            np.testing.assert_array_equal(getattr(certificates[one][two], name), getattr(certificate, name))


def test_a_label_is_no_rival_of_its_own():
    defence = RobustMasking((1, 1))
    with pytest.raises(ValueError, match="expected a rival other than the label"):
        find_witness(defence, defence.mask(np.ones((2, 2, 2))), 1, Window(0, 0, 1, 1), 1)


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.booleans(),
)
def test_holding_is_the_intersection_of_windows(map_size, window_size, wrapping):
    windows = Windows(map_size, window_size, wrapping)
    literal = np.array(reference.windows(*map_size, *window_size, wrapping))
    for n in range(windows.count):
        window = windows.at(n)
        inside = literal[(slice(None), *cells(window, map_size))].reshape(windows.count, -1)
        np.testing.assert_array_equal(windows.holding(window), inside == 1)


def test_a_window_that_is_the_whole_ring_holds_what_goes_on_around_its_edge():
    assert Windows((1, 8), (1, 8), wrapping=True).holding(Window(0, 6, 1, 4)).all()

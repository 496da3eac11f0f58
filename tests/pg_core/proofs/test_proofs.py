"""The checker agrees with the library at every window, and takes no file that says anything else."""

import json
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_core import Threat, examine
from pg_core.defences.bounded import BoundedEvidence
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.smoothing import Smoothing
from pg_core.defences.undefended import Undefended
from pg_core.evidence.types import EvidenceType
from pg_core.proofs.checker import Proof, RefusedError
from pg_core.proofs.statement import prove, serialised, written
from tests import reference
from tests.pg_core.proofs import literal
from tests.pg_core.proofs.drawn import SUBJECT, agreed, drawn_analysis, features_of, proof_of
from tests.pg_core.proofs.tampering import changed, judged
from tests.reference import bounded

SEEDS = st.integers(0, 2**32 - 1)


def statement_of(analysis):
    return json.loads(serialised(prove(analysis, SUBJECT)))


@given(SEEDS)
def test_the_checker_says_of_every_window_what_the_library_says(seed):
    analysis = drawn_analysis(np.random.default_rng(seed))
    proof = proof_of(analysis)
    certified, certificate = proof.check(), analysis.certificate
    assert agreed(proof.verdict, certified, analysis)
    stated, step = proof.statement["predicate"]["windows"], proof.exact("evidence.step")
    assert stated["rival"] == certificate.rival.ravel().tolist()
    if isinstance(analysis.defence, MaskedDetection):
        return  # Its bounds are logarithms, and those of the file the sums of which they are.
    for name, bound in (("lower", certificate.lower), ("upper", certificate.upper)):
        values = [float(Fraction(value) * step) for value in stated[name]]
        np.testing.assert_allclose(values, bound.ravel(), rtol=2.0**-50)


@given(SEEDS)
def test_literal_loops_find_each_file_true(seed):
    assert literal.is_true(statement_of(drawn_analysis(np.random.default_rng(seed))))


def test_all_verdicts_and_defences_and_witnesses_are_among_what_is_drawn():
    seen = Counter()
    for seed in range(200):
        analysis = drawn_analysis(np.random.default_rng(seed))
        statement = statement_of(analysis)["predicate"]
        seen[statement["claim"]["verdict"]] += 1
        seen[statement["defence"]["name"]] += 1
        seen[statement["evidence"]["type"]] += 1
        seen["wrapping"] += statement["defence"]["wrapping"]
        seen["T > 0"] += statement["defence"]["threshold"] != 0
        seen["witnesses"] += len(statement["witnesses"])
    assert min(seen[verdict] for verdict in ("certified", "not certified", "undecided", "misclassified")) >= 1
    assert min(seen[name] for name in literal.BY_NAME) >= 6
    assert (
        min(
            seen[kind] for kind in ("logits", "confidence", "prediction", "sharpened", "tanh", "local logits")
        )
        >= 5
    )
    assert min(seen[what] for what in ("wrapping", "T > 0", "witnesses")) >= 30


def test_a_single_change_is_refused_or_leaves_a_true_statement():
    """True is: it differs in fields that it names as taken on trust alone, or literal loops find it so."""
    outcomes = Counter()
    for seed in range(40):
        random = np.random.default_rng(seed)
        data = serialised(prove(drawn_analysis(random), SUBJECT))
        for _ in range(15):
            outcomes[judged(data, changed(data, random))] += 1
    assert outcomes["false"] == 0
    assert outcomes["refused"] + outcomes["unreadable"] > 400


def refused_with(statement, field):
    with pytest.raises(RefusedError, match=rf"^{field}"):
        Proof(serialised(statement)).check()


def claimed(statement, label, how):
    """The statement with the words of a certificate."""
    predicate = statement["predicate"]
    patch = "x".join(map(str, predicate["threat"]["patch_size"]))
    words = f"No {patch}-pixel patch anywhere on the image that the network sees can change '{label}' under {how}."
    predicate["claim"] |= {"verdict": "certified", "words": words}
    predicate["witnesses"] = []
    return statement


def test_the_published_lower_bound_is_refused_at_a_threshold_above_zero():
    benign = np.concatenate([COUNTEREXAMPLE.benign, COUNTEREXAMPLE_RIVAL.benign])
    defence = replace(COUNTEREXAMPLE.defence, bound=Bound.PUBLISHED)
    published = defence.certify(benign, 0)
    assert (published.margin > 0).all()
    features = features_of(benign)
    statement = statement_of(
        examine(features, COUNTEREXAMPLE.defence, Threat(defence.window_size), "class 0")
    )
    assert statement["predicate"]["claim"]["verdict"] == "not certified"
    step = Fraction(statement["predicate"]["evidence"]["step"])
    lower = [written(Fraction(value) / step) for value in published.lower.ravel().tolist()]
    statement["predicate"]["windows"]["lower"] = lower
    refused_with(claimed(statement, "class 0", "robust masking"), "claim.verdict|windows.lower")
    with pytest.raises(ValueError, match="expected the sound bound"):
        prove(examine(features, defence, Threat(defence.window_size)), SUBJECT)


def test_the_runner_up_of_clipped_bagnet_is_refused_where_a_third_class_wins():
    v = np.full((3, 6, 6), 0.5)
    v[1], v[2] = 0.10, 0.32
    v[1, :2, :2], v[2, :2, :2] = 0.99, -0.99
    W = reference.windows(6, 6, 2, 2)
    assert bounded.published_certificate(v, W[:1], -1, 1)
    features = features_of((np.arctanh(v) + 1) / 0.05)
    statement = statement_of(examine(features, BoundedEvidence((2, 2)), Threat((2, 2))))
    windows = statement["predicate"]["windows"]
    assert windows["rival"][0] == 2
    assert Fraction(windows["lower"][0]) < Fraction(windows["upper"][0])
    evidence, w = literal.evidence_of(statement["predicate"]), literal.windows_of(statement["predicate"])[0]
    most = round(1 / Fraction(statement["predicate"]["evidence"]["step"]))
    windows["rival"][0], windows["upper"][0] = 1, written((evidence[1] * (1 - w)).sum() + 4 * most)
    assert Fraction(windows["lower"][0]) > Fraction(windows["upper"][0])
    refused_with(claimed(statement, "class 0", "bounded evidence"), "claim.verdict|windows.(upper|rival)")


def test_windows_that_do_not_wrap_around_are_refused_on_a_ring():
    """The bound of the published code of Mask-DS is larger than the sound one somewhere, at T > 0."""
    for seed in range(200):
        random = np.random.default_rng(seed)
        local_logits = random.integers(0, 9, (2, 1, 9)) * 1.0
        local_logits[0] += 2
        features = features_of(local_logits, wrapping=True)
        defence = RobustMasking((1, 2), 0.75, wrapping=True)
        statement = statement_of(examine(features, defence, Threat((1, 1)), "class 0"))
        predicate = statement["predicate"]
        û, W = literal.evidence_of(predicate), literal.windows_of(predicate)
        lower = [reference.mask_ds_published_lower_bound(û[0], n, W, Fraction(3, 4)) for n in range(len(W))]
        larger = [a > Fraction(b) for a, b in zip(lower, predicate["windows"]["lower"], strict=True)]
        if any(larger):
            predicate["windows"]["lower"] = [written(value) for value in lower]
            refused_with(statement, "windows.lower")
            return
    raise AssertionError("expected a map on which the two bounds differ")


def test_a_tie_that_float64_rounds_away_is_no_proof():
    """7 for class 0 and 100 for class 1 in cell 4 win by a tie in float64, where 0.7 * 10 is 7 (theory §5)."""
    u = np.zeros((3, 1, 9))
    u[0, 0, 7], u[1, 0] = 3, [1, 1, 5, 5, 2, 2, 1, 1, 1]
    features = features_of(u, wrapping=True)
    analysis = examine(features, RobustMasking((1, 2), 0.7, wrapping=True), Threat((1, 1)), "class 1")
    proof = proof_of(analysis)
    assert not proof.check()[4]
    assert proof.verdict != "certified"


@pytest.mark.parametrize(
    ("defence", "words"),
    [
        (Undefended(), "no defence.*: choose"),
        (RobustMasking((1, 1), 0.2, bound=Bound.TIGHT), "the tight one: choose"),
        (MaskedDetection((1, 1), 1.0), "1$"),
        (Smoothing.columns((1, 3), 1, (1, 1)), "de-randomized smoothing by columns"),
    ],
    ids=str,
)
def test_what_cannot_be_written_as_a_proof_is_refused_in_one_sentence(defence, words):
    features = features_of(np.random.default_rng(0).uniform(0, 1, (2, 1, 3)))
    with pytest.raises(ValueError, match=f"^expected .*got .*{words}"):
        prove(examine(features, defence), SUBJECT)


def test_at_zero_the_tight_bound_is_the_sound_one():
    features = features_of(np.random.default_rng(0).uniform(0, 1, (2, 3, 3)))
    tight, sound = (
        statement_of(examine(features, RobustMasking((1, 1), evidence=EvidenceType.LOGITS, bound=bound)))
        for bound in (Bound.TIGHT, Bound.SOUND)
    )
    assert tight == sound

"""What a defence says of itself is true: its terms add up, its counterexamples are some, its settings are checked."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_core.defences import smoothing
from pg_core.defences.base import ALERT, DefenceInput, Rule
from pg_core.defences.bounded import BoundedEvidence
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.interval.bounds import Dense, Layers
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.head import HeadMasking
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.registry import DEFENCES, build
from pg_core.defences.smoothing import Smoothing
from pg_core.defences.spec import EVIDENCE, DefenceConfig, DefenceSpec, Parameter
from pg_core.defences.undefended import Undefended
from pg_core.evidence.head import MaskingHead
from pg_core.evidence.types import EVIDENCE_TYPES, EvidenceType
from pg_core.geometry import ReceptiveField, cells

OF_BANDS = ("mask-ds", "smoothing")
EXPLAINED = [name for name, spec in DEFENCES.items() if spec.explained is not None]
ATTACKED = [name for name, spec in DEFENCES.items() if spec.witness is not None]
RUNS = {
    "undefended": (Undefended, "predict"),
    "masking": (RobustMasking, "mask"),
    "mask-ds": (RobustMasking, "mask"),
    "clipping": (BoundedEvidence, "predicted"),
    "smoothing": (smoothing, "_counted"),
    "detection": (MaskedDetection, "predict"),
    "feature-masking": (FeatureMasking, "mask"),
    "head-masking": (HeadMasking, "mask"),
}
"""What each defence runs on evidence that is attacked: the last argument is the evidence."""


@st.composite
def scenes(draw, names):
    """What `made` takes. (Made in the test: the checker of types draws at random, which a strategy must not.)"""
    name = draw(st.sampled_from(names))
    bands = name in OF_BANDS or (name != "masking" and draw(st.integers(0, 3)) == 0)
    rows, columns = (1, draw(st.integers(4, 8))) if bands else draw(st.tuples(*[st.integers(2, 5)] * 2))
    chosen = {
        "evidence": draw(st.sampled_from(list(EVIDENCE_TYPES))),
        "threshold": draw(st.sampled_from([0.0, 0.0, 0.2, 0.45])),
        "bound": draw(st.sampled_from(["sound", "tight"])),
        "clip_high": draw(st.sampled_from([None, None, 0.75])),
        "alert_threshold": draw(st.sampled_from([0.0, 0.3, 0.5, 0.9])),
    }
    patch = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    leader = draw(st.integers(2, 4)), draw(st.sampled_from([0.5, 2.0, 6.0]))
    seed, rounded = draw(st.integers(0, 2**32 - 1)), draw(st.booleans())
    rule, delta = draw(st.sampled_from(Rule)), draw(st.sampled_from([0.0, 0.01]))
    return name, bands, (rows, columns), patch, chosen, leader, (seed, rounded), rule, delta


def made(drawn):
    """A spec, its defence, local logits in which a class leads in most, and their error. A feature is a pixel, or a
    band of three columns."""
    name, bands, (rows, columns), patch, chosen, (classes, lead), (seed, rounded), rule, delta = drawn
    side = columns if bands else rows
    field = ReceptiveField((side, 3), (side, 1), wrapping=True) if bands else ReceptiveField((1, 1), (1, 1))
    weights = np.random.default_rng(seed).normal(np.eye(classes, 3 * classes), 0.2)
    head = MaskingHead(tuple(map(tuple, weights.tolist())), (0.0,) * classes)
    size = (side, columns)
    defence = build(name, DefenceConfig(field, size, EvidenceType.LOGITS, patch, chosen, head=head))
    values = np.random.default_rng(seed).normal(0, 1.5, (classes, rows, columns))
    values[0] += lead
    if rounded:
        values = np.rint(values)  # for ties
    return DEFENCES[name], replace(defence, rule=rule) if name == "smoothing" else defence, values, delta


def asked(spec, defence, values, delta):
    """The spec, what all its functions are given but the position, and all positions."""
    prediction, certificate = defence.predict(values), defence.certify(values, delta=delta)
    return spec, (defence, values, prediction, certificate), list(np.ndindex(certificate.positions.shape))


def test_every_defence_of_local_logits_says_its_terms_and_has_a_witness():
    """What the properties below need."""
    of_logits = {name for name, spec in DEFENCES.items() if spec.input is DefenceInput.LOCAL_LOGITS}
    assert set(EXPLAINED) == set(ATTACKED) == set(RUNS) == of_logits


def add_up(waterfall, bound):
    """Whether the terms add up to a bound, and each total is the sum of all before it."""
    first, *others = waterfall.terms
    assert first.total
    so_far, size = first.value, abs(first.value)
    for term in others:
        if term.total:
            assert term.value == pytest.approx(so_far, abs=1e-9 * (1 + size))
        else:
            so_far, size = so_far + term.value, size + abs(term.value)
    assert waterfall.terms[-1].total
    assert waterfall.bound == bound


@settings(max_examples=200)
@given(scenes(EXPLAINED))
def test_the_terms_of_both_bounds_add_up_to_them_at_every_position(drawn):
    spec, given, positions = asked(*made(drawn))
    certificate = given[-1]
    for at in positions:
        told = spec.explanation(*given, at)
        assert (told.lower.label, told.upper.label) == (certificate.label, certificate.rival[at])
        add_up(told.lower, certificate.lower[at])
        add_up(told.upper, certificate.upper[at])
        assert told.margin == certificate.margin[at]
        assert (told.missing <= 0) == (certificate.margin[at] >= certificate.tolerance[at])


def test_a_defence_that_says_no_terms_still_says_its_bounds():
    random = np.random.default_rng(0)
    pairs = random.normal(size=(3, 4, 4))
    layers = Layers("small", (4, 4), (), (Dense(random.normal(size=(3, 48)), np.zeros(3)),))
    field = ReceptiveField((1, 1), (1, 1))
    config = DefenceConfig(field, (4, 4), EvidenceType.LOGITS, (2, 2), {"masks_per_axis": 2}, layers)
    for name, values in (
        ("double-masking", pairs + pairs.swapaxes(1, 2)),
        ("interval", random.random((3, 4, 4))),
    ):
        assert name not in EXPLAINED
        spec, given, positions = asked(DEFENCES[name], build(name, config), values, 0.0)
        for at in positions:
            told, certificate = spec.explanation(*given, at), given[-1]
            add_up(told.lower, certificate.lower[at])
            add_up(told.upper, certificate.upper[at])
            assert spec.counterexample(*given, at) is None


@given(scenes(["smoothing"]))
def test_a_tie_costs_one_vote_or_none(drawn):
    spec, given, positions = asked(*made(drawn))
    for at in positions:
        told = spec.explanation(*given, at)
        (tie,) = [term.value for term in told.upper.terms if term.name == "loses a tie"]
        assert tie == (-1 if told.upper.label > told.lower.label else 0)


def reached(defence, certificate, at):
    """The cells that a patch at a position reaches, as 0 and 1."""
    if isinstance(defence, Smoothing):
        return defence.met_at(at)
    windows = certificate.windows
    inside = np.zeros(windows.map_size, bool)
    inside[cells(windows.window(*at), windows.map_size)] = True
    return inside


@settings(max_examples=200)
@given(scenes(ATTACKED))
def test_every_counterexample_is_evidence_that_differs_inside_the_position_only_and_predicts_another_class(
    drawn,
):
    spec, given, positions = asked(*made(drawn))
    defence, values, _, certificate = given
    owner, run = RUNS[spec.name]
    benign, original = spec.evidence(defence, values), getattr(owner, run)
    for at in positions:
        ran = []

        def recording(*arguments, ran=ran):
            ran.append((arguments[-1].copy(), original(*arguments)))
            return ran[-1][1]

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(owner, run, recording)
            found = spec.counterexample(*given, at)
        if found is None:
            continue
        assert not certificate.proved[at]
        (attacked, prediction) = next((e, said) for e, said in ran if said is found.prediction)
        if spec.name == "head-masking":  # the confidences come first, then their powers
            attacked = attacked[: len(benign)]
        outside = ~reached(defence, certificate, at)
        np.testing.assert_array_equal(attacked[:, outside], benign[:, outside])
        assert found.label == certificate.label
        assert int(prediction.label) not in (found.label, ALERT)
        assert legal(spec.name, defence, attacked)


@pytest.mark.parametrize("name", ATTACKED)
def test_counterexamples_are_drawn(name):
    """What the test above needs."""
    bands = name in OF_BANDS
    size = (1, 6) if bands else (4, 4)
    found = 0
    for seed in range(20):
        drawn = (name, bands, size, (2, 2), {"evidence": "logits"}, (3, 0.5), (seed, False), Rule.LOCAL, 0.0)
        spec, given, positions = asked(*made(drawn))
        found += sum(spec.counterexample(*given, at) is not None for at in positions)
    assert found > 20


def legal(name, defence, attacked):
    """Whether evidence is in the range that the defence gives it."""
    low, high = -math.inf, math.inf  # of the logits of a network
    if name == "clipping":
        low, high = defence.range(attacked.shape[-2:])
    elif name in ("masking", "mask-ds", "feature-masking"):
        low, high = 0.0, min(defence.clip_high, defence.evidence.top) * (1 + 1e-9)
    elif name in ("smoothing", "head-masking"):
        low, high = 0.0, 1.0
    return np.isfinite(attacked).all() and ((low <= attacked) & (attacked <= high)).all()


@settings(max_examples=200)
@given(scenes(["undefended", "clipping", "smoothing", "detection"]))
def test_where_the_bounds_are_attained_a_negative_margin_has_a_counterexample(drawn):
    spec, given, positions = asked(*made(drawn))
    certificate = given[-1]
    if getattr(given[0], "rule", Rule.LOCAL) is Rule.PUBLISHED or certificate.prediction == ALERT:
        return
    for at in positions:
        if certificate.margin[at] < 0:
            assert spec.counterexample(*given, at) is not None


def test_a_logit_that_swallows_one_is_no_way_out_for_the_undefended_network():
    values = np.full((2, 2, 2), 1e20)
    spec, given, positions = asked(DEFENCES["undefended"], Undefended(), values, 0.0)
    assert all(spec.counterexample(*given, at) is not None for at in positions)


def test_an_alert_is_no_counterexample():
    """The margin is positive, but within the tolerance: the attacked map raises an alert, as it should."""
    values = np.zeros((2, 1, 3))
    values[0] = 2.0
    spec, given, positions = asked(DEFENCES["detection"], MaskedDetection((1, 1), 0.75), values, 0.1)
    assert given[-1].undecided.all()
    assert spec.witness(*given, positions[0]).label == ALERT
    assert all(spec.counterexample(*given, at) is None for at in positions)


NUMBERS = sorted(
    {p for spec in DEFENCES.values() for p in spec.parameters if p.choices is None}, key=lambda p: p.name
)
EVERY = sorted({p for spec in DEFENCES.values() for p in spec.parameters}, key=lambda p: p.name)
ids = {"ids": lambda parameter: parameter.name}


def is_whole(parameter):
    return isinstance(parameter.default, int)


@pytest.mark.parametrize("parameter", NUMBERS, **ids)
@given(data=st.data())
def test_a_number_is_taken_iff_it_is_in_the_range_of_the_parameter(parameter, data):
    numbers = st.integers(-50, 70000) if is_whole(parameter) else st.floats(allow_nan=False)
    value = data.draw(numbers | st.sampled_from([parameter.low, parameter.high]))
    if parameter.low <= value <= parameter.high:
        assert parameter.checked(value) == value
    else:
        with pytest.raises(ValueError, match=rf"for {parameter.name}, got"):
            parameter.checked(value)


@pytest.mark.parametrize("parameter", EVERY, **ids)
@pytest.mark.parametrize("value", [True, False, math.nan, "magic", b"1", [1.0], 1j], ids=repr)
def test_what_is_no_number_of_a_range_or_no_choice_is_refused_in_a_sentence(parameter, value):
    with pytest.raises(ValueError, match=rf"^expected .* for {parameter.name}, got ") as refused:
        parameter.checked(value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("parameter", EVERY, **ids)
def test_a_default_is_a_value_and_none_only_where_it_is_the_default(parameter):
    assert parameter.checked(parameter.default) == parameter.default
    if parameter.default is None:
        assert parameter.checked(None) is None
    else:
        with pytest.raises(ValueError, match="got None"):
            parameter.checked(None)


def test_a_whole_number_is_no_fraction():
    masks = next(parameter for parameter in NUMBERS if is_whole(parameter))
    with pytest.raises(ValueError, match=r"expected a whole number in \["):
        masks.checked(3.0)


@pytest.mark.parametrize("parameter", NUMBERS, **ids)
def test_a_number_of_numpy_becomes_one_of_python(parameter):
    value = np.int64(2) if is_whole(parameter) else np.float32(0.5)
    checked = parameter.checked(value)
    assert (checked, type(checked)) == (value, int if is_whole(parameter) else float)
    for wrong in (np.True_, np.array([2])):
        with pytest.raises(ValueError, match=f"for {parameter.name}, got "):
            parameter.checked(wrong)


def test_a_choice_that_is_added_later_is_one():
    choices = {"one": 1}
    parameter = Parameter("which", "Which", "Of several.", "one", choices=choices)
    choices["two"] = 2
    assert parameter.checked("two") == "two"


@pytest.mark.parametrize("spec", DEFENCES.values(), ids=DEFENCES)
def test_settings_are_those_of_the_defence(spec: DefenceSpec):
    defaults = {parameter.name: parameter.default for parameter in spec.parameters}
    assert spec.checked(defaults) == defaults
    with pytest.raises(ValueError, match=rf"^expected .* for {spec.name}, got 'magic'$"):
        spec.checked({**defaults, "magic": 1.0})
    for parameter in spec.parameters:
        with pytest.raises(ValueError, match=f"for {parameter.name}, got True"):
            spec.checked({parameter.name: True})


def test_a_configuration_gives_what_is_set_or_the_default_and_is_a_key():
    field = ReceptiveField((1, 1), (1, 1))
    one, other = (
        DefenceConfig(field, (4, 4), EvidenceType.CONFIDENCE, (1, 1), chosen)
        for chosen in ({"threshold": 0.2, "bound": "tight"}, (("bound", "tight"), ("threshold", 0.2)))
    )
    assert one == other
    assert hash(one) == hash(other)
    assert (one.evidence_type, one.clip_high, one[EVIDENCE]) == (EvidenceType.CONFIDENCE, math.inf, None)
    logits = replace(one, settings={"evidence": "logits", "clip_high": 3.0})
    assert (logits.evidence_type, logits.clip_high) == (EvidenceType.LOGITS, 3.0)
    with pytest.raises(ValueError, match="expected one of logits"):
        _ = replace(one, settings={"evidence": "magic"}).evidence_type

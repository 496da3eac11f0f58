"""Certificate files of votes and of detection that are no proofs, each with the field that a checker names, for the
corpus."""

from fractions import Fraction

from pg_core.defences.detection import MaskedDetection
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.smoothing import Smoothing
from pg_core.evidence.types import EvidenceType
from pg_core.proofs.statement import written
from tests.pg_core.proofs import literal
from tests.pg_core.proofs.corpus_changes import claimed, edited
from tests.pg_core.proofs.corpus_good import image, level, ring, stated

LISTS = ("lower", "upper", "rival", "other")


def false_votes(base):
    """De-randomized smoothing; `base` is not used, for its votes are its own."""
    own = stated(ring(5, 4.0), Smoothing.columns((1, 9), 2, (1, 1)), (1, 1))
    vote = literal.most_of(own["predicate"])

    def a_vote_less(upper):
        return written(Fraction(upper) - vote)

    yield (
        "smoothing-counts-too-few",
        "a patch that meets a band less than it does",
        "windows.upper[2]",
        edited(own, windows__upper__2=a_vote_less),
    )
    yield (
        "smoothing-strided-counts",
        "bands at every second column, counted by a quotient, and votes at every column",
        "defence.window_size",
        edited(own, network__receptive_field__stride=[1, 2], defence__window_size=[1, 1]),
    )
    yield (
        "smoothing-narrow-bands",
        "bands of two columns that are said to have one",
        "windows.lower",
        edited(own, network__receptive_field__size=[1, 1], defence__window_size=[1, 1]),
    )
    yield (
        "smoothing-lost-tie",
        "a label above its rival, which loses a tie of votes",
        "claim.verdict",
        claimed(stated(level(1), Smoothing.columns((1, 10), 2, (1, 1)), (1, 1))),
    )
    wide = stated(ring(5, 4.0, 12), Smoothing.columns((1, 12), 2, (1, 3)), (1, 3))
    yield (
        "smoothing-place-around-the-edge",
        "a place of the patch that goes on around the edge",
        "windows.lower",
        edited(wide, **{f"windows__{name}": lambda values: [*values, values[0]] for name in LISTS}),
    )
    yield (
        "smoothing-witness",
        "counterexamples, of which smoothing has none in a file",
        "witnesses[0]",
        edited(own, witnesses=[{"window": 0, "rival": 1, "for_label": [0, 0], "for_rival": [0, 0]}]),
    )
    yield (
        "smoothing-of-confidences",
        "votes that are called confidences",
        "evidence.type",
        edited(own, evidence__type="confidence"),
    )
    flat = stated(
        image(lead=4.0, shape=(3, 1, 9)),
        RobustMasking((1, 2), evidence=EvidenceType.PREDICTION),
        (1, 2),
    )
    yield (
        "smoothing-of-a-map",
        "smoothing of votes that are on no ring",
        "defence.wrapping",
        edited(flat, defence__name="de-randomized smoothing"),
    )


def false_alerts(base):
    """Masked detection; `base` is evidence of another type."""
    own = stated(image(4, 4.0, delta=1e-6), MaskedDetection((2, 2), 0.5))
    yield (
        "detection-threshold",
        "an alert threshold above the confidences",
        "claim.verdict",
        edited(own, defence__threshold="999/1000"),
    )
    yield "detection-threshold-of-one", "τ = 1", "defence.threshold", edited(own, defence__threshold=1)
    yield (
        "detection-without-alerts",
        "a claim that no alert is raised",
        "claim.kind",
        edited(own, claim__kind="keeps the label"),
    )
    yield (
        "detection-words",
        "the words of a defence that raises no alert",
        "claim.words",
        edited(own, claim__words=lambda words: words.replace(" without an alert", "")),
    )
    yield (
        "detection-of-clipped-evidence",
        "evidence of at least 0, which this defence has not",
        "evidence.type",
        edited(base, defence__name="masked detection"),
    )
    weak = stated(image(4, 1.0), MaskedDetection((2, 2), 0.9))
    yield "detection-not-confident", "a confidence below τ", "claim.verdict", weak
    yield "detection-not-confident-claimed", "the same, claimed", "claim.verdict", claimed(weak)
    near = stated(image(4, 4.0, delta=1.2), MaskedDetection((2, 2), 0.5))
    yield "detection-undecided", "a margin within the tolerance", "claim.verdict", claimed(near)
    other = stated(image(4, 4.0), MaskedDetection((2, 2), 0.5), label="class 1")
    yield "detection-misclassified", "another class has the largest mean", "claim.verdict", claimed(other)
    yield (
        "detection-witness",
        "counterexamples, of which detection has none in a file",
        "witnesses[0]",
        edited(own, witnesses=[{"window": 0, "rival": 1, "for_label": [0] * 4, "for_rival": [0] * 4}]),
    )

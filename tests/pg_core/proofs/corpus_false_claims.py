"""Certificate files whose patch, map, claim, witness or form is wrong, each with the field that a checker names, for
the corpus.

Not here: numbers of evidence and bounds, see `corpus_false_numbers`.
"""

import json

import numpy as np

from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.evidence.types import EvidenceType
from pg_core.proofs.checker import canonical
from tests.pg_core.proofs.corpus_changes import claimed, dropped, edited
from tests.pg_core.proofs.corpus_good import image, ring, stated, strided
from tests.pg_core.proofs.drawn import features_of


def false_geometry(base):
    around = stated(ring(), RobustMasking((1, 2), 0.125, wrapping=True), (1, 1))
    yield (
        "ring-not-wrapped",
        "a ring whose windows do not wrap around",
        "defence.wrapping",
        edited(around, defence__wrapping=False),
    )
    yield (
        "map-wrapped",
        "a map whose windows wrap around",
        "defence.wrapping",
        edited(base, defence__wrapping=True),
    )
    yield (
        "ring-as-map",
        "a ring that is called a map, whose windows end at the edge",
        "windows.lower",
        edited(
            around,
            defence__wrapping=False,
            network__receptive_field__wrapping=False,
            network__image_size=[1, 10],
        ),
    )
    yield (
        "window-one-less",
        "a window that is a column too narrow for the patch",
        "defence.window_size",
        edited(base, defence__window_size=[2, 1]),
    )
    yield (
        "patch-one-more",
        "a patch that is a pixel too large for the window",
        "defence.window_size",
        edited(base, threat__patch_size=[2, 3], threat__on_network=[2, 3]),
    )
    yield (
        "receptive-field-one-more",
        "cells of a pixel more than the window is made for",
        "defence.window_size",
        edited(base, network__receptive_field__size=[2, 1], network__image_size=[6, 6]),
    )
    over = stated(strided(), RobustMasking((2, 2)))
    yield (
        "strided-rounded-down",
        "5 pixels at every second pixel, in 2 cells for 3",
        "defence.window_size",
        edited(over, threat__patch_size=[3, 2], threat__on_network=[3, 2]),
    )
    yield (
        "patch-on-network",
        "a patch that touches less than its own pixels",
        "threat.on_network",
        edited(base, threat__patch_size=[3, 3]),
    )
    yield (
        "image-size",
        "an image of a column more than the map has",
        "evidence.shape",
        edited(base, network__image_size=[5, 7]),
    )
    yield (
        "huge-map",
        "a map of 2^40 cells",
        "evidence.shape",
        edited(base, network__image_size=[2**20, 2**20]),
    )
    yield (
        "stride-zero",
        "a stride of 0",
        "network.receptive_field.stride",
        edited(base, network__receptive_field__stride=[0, 1]),
    )


def false_claims(base):
    low = stated(image(lead=0.02), RobustMasking((2, 2), 0.2))
    yield "not-certified", "all is so, and the verdict is not certified", "claim.verdict", low
    yield "not-certified-claimed", "the same with the words of a certificate", "claim.verdict", claimed(low)
    near = stated(image(lead=9.0, delta=4.0), RobustMasking((2, 2), 0.2))
    yield "undecided", "all is so, and the verdict is undecided", "claim.verdict", near
    yield "undecided-claimed", "the same with the words of a certificate", "claim.verdict", claimed(near)
    yield (
        "undecided-without-its-tolerance",
        "an error that moves nothing",
        "claim.verdict",
        edited(claimed(near), tolerance__moved=0),
    )
    other = stated(image(), RobustMasking((2, 2), 0.2), label="class 1")
    yield "misclassified", "all is so, and another class is predicted", "claim.verdict", other
    yield "misclassified-claimed", "the same with the words of a certificate", "claim.verdict", claimed(other)
    tie = np.zeros((3, 1, 9))
    tie[0, 0, 7], tie[1, 0] = 3, [1, 1, 5, 5, 2, 2, 1, 1, 1]
    own = stated(
        features_of(tie, wrapping=True), RobustMasking((1, 2), 0.7, wrapping=True), (1, 1), "class 1"
    )
    yield "tie-of-rounding", "a tie that float64 rounds away (theory §5)", "claim.verdict", claimed(own)
    level = stated(
        features_of(np.stack([np.full((4, 4), 1.0), np.full((4, 4), 0.5)])),
        BoundedEvidence((2, 2), Squashing.CLIP, clip_high=1.5),
        label="class 0",
    )
    yield "margin-of-zero", "a margin of 0 in every window", "claim.verdict", claimed(level)
    yield "label", "the claim is about another class", "claim", edited(base, claim__label=1)
    yield "label-outside", "the label is no class", "claim.label", edited(base, claim__label=3)
    yield (
        "words",
        "a larger patch in the words",
        "claim.words",
        edited(base, claim__words=lambda words: words.replace("2x2", "3x3")),
    )
    yield (
        "words-of-a-terminal",
        "words that colour a terminal",
        "claim.words",
        edited(base, claim__words="\x1b[31mproved\u202e"),
    )
    yield (
        "kind",
        "another kind of claim",
        "claim.kind",
        edited(base, claim__kind="keeps the label or raises an alert"),
    )
    yield (
        "defence",
        "double masking with the bounds of robust masking",
        "defence.threshold",
        edited(base, defence__name="double masking on features"),
    )
    yield "defence-unknown", "a defence that is none", "defence.name", edited(base, defence__name="none")
    yield (
        "trusted-less",
        "a field that is taken on trust is not named",
        "trusted",
        edited(base, trusted=lambda names: names[:-1]),
    )
    yield (
        "delta-without-moved",
        "a larger delta with the old tolerance",
        "tolerance.moved",
        edited(base, tolerance__delta="1/100"),
    )


def false_witnesses():
    low = stated(image(lead=0.02), RobustMasking((2, 2)))
    top = low["predicate"]["witnesses"][0]["for_rival"]
    yield "witness", "all is so, with counterexamples", "claim.verdict", low
    yield (
        "witness-changes-nothing",
        "a witness that does not change the prediction",
        "witnesses[0]",
        edited(low, witnesses__0__for_rival=[0] * 4, witnesses__0__for_label=top),
    )
    yield (
        "witness-above-the-range",
        "a witness above the range",
        "witnesses[0]",
        edited(low, witnesses__0__for_rival__0=2**53 - 1),
    )
    yield "witness-outside", "a witness in no window", "witnesses[0]", edited(low, witnesses__0__window=20)
    yield (
        "witness-short",
        "a witness of a cell less",
        "witnesses[0]",
        edited(low, witnesses__0__for_label=[0] * 3),
    )
    yield (
        "witness-without-rival",
        "a witness without its rival",
        "witnesses[0]",
        dropped(low, "witnesses/0/rival"),
    )
    confident = stated(image(lead=0.02), RobustMasking((2, 2), evidence=EvidenceType.CONFIDENCE))
    top = confident["predicate"]["witnesses"][0]["for_rival"]
    yield (
        "witness-shares-a-cell",
        "a confidence of 1 for two classes in one cell",
        "witnesses[0]",
        edited(confident, witnesses__0__for_label=top),
    )


def false_forms(base):
    """Files, not statements: what is wrong with them, the exit code, the field and the bytes."""
    text = canonical(base)
    yield "field-dropped", "a field is missing", 1, ".", dropped(base, "pixels_sha256")
    yield "field-more", "a field more", 1, "evidence", edited(base, evidence__more=0)
    yield (
        "other-predicate",
        "another version of the format",
        1,
        "_type, predicateType",
        text.replace("certificate:v1", "certificate:v2"),
    )
    yield "one-subject", "the weights are not among the subjects", 1, "subject", dropped(base, "/subject/1")
    yield "float", "a label that is a fraction", 1, "claim.label", text.replace('"label":0', '"label":0.5')
    yield "truth", "a label that is false", 1, "claim.label", edited(base, claim__label=False)
    yield (
        "ratio-over-zero",
        "a T with 0 under it",
        1,
        "defence.threshold",
        edited(base, defence__threshold="1/0"),
    )
    yield (
        "huge-ratio",
        "a step of thousands of digits",
        1,
        "evidence.step",
        edited(base, evidence__step="1/" + "9" * 5000),
    )
    yield "a-list", "a list", 1, "", "[]"
    yield "name-twice", "a name stands twice", 2, None, text.replace('{"_type"', '{"_type":0,"_type"')
    yield (
        "other-order",
        "names in another order",
        2,
        None,
        json.dumps(dict(reversed(base.items())), separators=(",", ":"), ensure_ascii=False),
    )
    yield "spaces", "spaces between the signs", 2, None, json.dumps(base)
    yield "line-end", "an end of line", 2, None, text + "\n"
    yield "nan", "NaN", 2, None, text.replace('"delta":0', '"delta":NaN')
    yield "infinite", "a number above all of float64", 2, None, text.replace('"label":0', '"label":1e999')
    yield "whole-float", "0.0 for 0", 1, "claim.label", text.replace('"label":0', '"label":0.0')
    yield (
        "huge-integer",
        "a number of ten thousand digits",
        2,
        None,
        text.replace('"label":0', '"label":' + "9" * 10_000),
    )
    yield "deep", "twenty thousand brackets in each other", 2, None, "[" * 20_000 + "]" * 20_000
    yield "escaped", "a letter that is escaped without need", 2, None, text.replace("claim", "\\u0063laim", 1)
    yield "surrogate", "half a surrogate", 2, None, text.replace("photo.jpg", "\\ud800")
    yield "no-utf-8", "a byte that is no UTF-8", 2, None, text.encode().replace(b"photo.jpg", b"photo\xff")
    yield "half", "the first half of a file", 2, None, text[: len(text) // 2]
    yield "nothing", "an empty file", 2, None, ""

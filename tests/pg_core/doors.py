"""What is tried at the doors of the library, in a process without the check of shapes that the tests have besides.

    python -m tests.pg_core.doors

It prints for each case what came of it, as JSON; `test_doors` says what should have.
"""

import hashlib
import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

import pg_core
from pg_core import MaskSet, Patch, ReceptiveField, Threat, Window, Windows, extract, update
from pg_core.analysis.certify import certify, threat_of
from pg_core.analysis.comparison import NotApplicable, compare
from pg_core.analysis.photo import analyse
from pg_core.datasets.carried import carried
from pg_core.datasets.folders import LabelledPhoto, framed_in_folder, sample_path
from pg_core.datasets.local_logits import Layout, LocalLogitMap, Stated
from pg_core.defences.base import Claim, Verdict, in_words
from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.interval.bounds import Dense, IntervalBounds, Layers
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from pg_core.defences.patchcleanser.trace import FeatureLine, FeatureStep
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE
from pg_core.defences.patchguard.cases import Case, CaseEvidence
from pg_core.defences.patchguard.certificate import Bound, certify_windows
from pg_core.defences.patchguard.explain import Account, Branch, Failure
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.placements import Finding, Placed
from pg_core.defences.patchguard.trace import Line, Step, algorithm_2
from pg_core.defences.patchguard.witness import WindowStatus
from pg_core.defences.registry import build, defence_spec
from pg_core.defences.smoothing import Smoothing
from pg_core.defences.spec import DefenceConfig
from pg_core.defences.undefended import Undefended
from pg_core.evaluation.bracket import AttackedPhoto, State
from pg_core.evaluation.cases import EvaluationCase, evaluation_cases
from pg_core.evaluation.outcomes import CaseResult
from pg_core.evaluation.published import read
from pg_core.evaluation.results import Setting
from pg_core.evaluation.table import as_published, table_4
from pg_core.evidence.grid import clip, scale
from pg_core.evidence.tolerance import EXACT, Tolerance
from pg_core.evidence.types import EvidenceType
from pg_core.networks import MODELS, load_model
from pg_core.networks.network import Network
from pg_core.networks.own import OwnNetwork
from pg_core.photos import patches as attacks
from pg_core.photos.framing import Space, View, frame
from pg_core.photos.read import framed, to_pixels
from pg_core.plots.figure import drawn
from tests.colours import Colours
from tests.pg_core.vocabulary import words

MAP = np.random.default_rng(0).normal(size=(3, 4, 5))
MAP[1] += 2
PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
WRONG = "magic"
FEW_MASKS = {"masks_per_axis": 2}


def examples():
    """A value of each class with such a field, by the name of the class."""
    features, field = extract(PHOTO, Colours()), ReceptiveField((12, 12), (4, 4))
    config = DefenceConfig(field, (48, 64), EvidenceType.LOGITS, (8, 8))
    robust = RobustMasking((2, 2))
    (result,) = compare(features, config, names=["masking"]).results
    values = (
        robust,
        BoundedEvidence((2, 2)),
        BoundedEvidence((2, 2), Squashing.CLIP, EvidenceType.CONFIDENCE),
        FeatureMasking((2, 2)),
        Smoothing.columns((8, 8), 2, (2, 2)),
        PatchCleanser(MaskSet((8, 8), (2, 2))),
        config,
        robust.certify(MAP),
        Undefended().certify(MAP),
        CaseEvidence(Case.EXACT, *np.zeros(8)),
        next(iter(as_published(read()))),
        Account(0, Branch.OTHER, *np.zeros(6)),
        Failure(Window(0, 0, 1, 1), 0, 0.0, 0.0, WindowStatus.OPEN),
        EvaluationCase((8, 8), "masking", robust),
        features,
        Threat((8, 8)),
        View(),
        result,
        result.spec,
        NotApplicable("masking", "why"),
        Stated(),
        LocalLogitMap(
            Path("maps.npz"),
            "map",
            (4, 6, 7),
            Layout.CLASSES_FIRST,
            False,
            EvidenceType.LOGITS,
            0.0,
            "stated",
        ),
        MODELS["tiles"],
        OwnNetwork("mine", "mine.pt2", "ab" * 32, (48, 64), field, ("cat", "dog")),
        AttackedPhoto("cat/a.jpg", None, 0, State.OPEN, 1),
        CaseResult(
            "cat/a.jpg",
            "ab" * 32,
            "cd" * 32,
            0,
            0,
            0,
            Verdict.CERTIFIED,
            0.0,
            (0, 0),
            None,
            0.0,
            0.0,
            0.0,
            np.zeros((1, 1), np.float32),
            np.zeros((1, 1), np.int16),
        ),
        Placed(Finding.CERTIFIED, 0.0),
        Setting((8, 8), "masking", 0.0, Claim.LABEL, "all of it"),
        Step(Line.CLASSES, 0, ()),
        FeatureStep(FeatureLine.CLIP, 0),
    )
    return {type(value).__name__: value for value in values}


def calls(known):
    """What comes of a word as each parameter of a function, by the name of both."""
    config = known["DefenceConfig"]
    analysis = analyse(PHOTO, Colours(), RobustMasking((5, 5)))
    framing = frame((96, 128), (48, 64))
    listed = LabelledPhoto(sample_path("coins"), "coin/coins.png", 0)

    def bounds(word):
        seen, one = RobustMasking((2, 2), 0.4).predict(MAP), np.array(1)
        outside = seen.evidence.sum(axis=(-2, -1))[..., None, None] - seen.window_sums
        return certify_windows(seen.windows, seen.evidence, outside, one, seen.label, 0.4, word, EXACT)

    def network(**changed):
        given = {
            "evidence": EvidenceType.LOGITS,
            "weights_sha256": "",
            "mean": (0, 0, 0),
            "deviation": (1, 1, 1),
        }
        made = Network("mine", None, ("cat", "dog"), (48, 64), config.receptive_field, **given | changed)
        return made.evidence, made.part

    return {
        "clip.evidence": lambda word: clip(MAP, word),
        "scale.evidence": lambda word: scale((4, 5), word, math.inf),
        "Tolerance.of_evidence.evidence": lambda word: Tolerance.of_evidence(MAP, word, math.inf, 0.1),
        "Board.lower.bound": COUNTEREXAMPLE.lower,
        "certify_windows.bound": bounds,
        "table_4.data": lambda word: table_4(as_published(read()), word),
        "drawn.form": lambda word: drawn(analysis, word),
        "certify.space": lambda word: certify(PHOTO, Colours(), 8, space=word).threat,
        "threat_of.space": lambda word: threat_of(8, framing, word),
        "compare.space": lambda word: compare(PHOTO, Colours(), patch=8, space=word).config,
        "frame.part": lambda word: frame((48, 64), (32, 32), word),
        "Photo.framed.part": lambda word: listed.framed((32, 32), word).pixels,
        "CarriedPhoto.framed.part": lambda word: carried(listed).framed((32, 32), word).pixels,
        "framed_in_folder.part": lambda word: framed_in_folder(listed.path, (32, 32), word).pixels,
        "framed.part": lambda word: framed(PHOTO, (32, 32), word).pixels,
        "to_pixels.part": lambda word: to_pixels(PHOTO, (32, 32), word),
        "algorithm_2.bound": algorithm_2,
        "in_words.claim": partial(in_words, "certified"),
        "Network.__init__.evidence": lambda word: network(evidence=word),
        "Network.__init__.part": lambda word: network(part=word),
    }


def with_word(known, functions, name, word):
    """What a parameter makes of a word: the field as it is then, or what the function gives."""
    if name in functions:
        return told(functions[name], word)
    kind, field = name.split(".")
    return told(lambda: getattr(replace(known[kind], **{field: word}), field))


BAD = {
    "a list": lambda good: good.tolist(),
    "None": lambda good: None,
    "two axes": lambda good: good[0],
    "no class": lambda good: good[:0],
    "one class": lambda good: good[:1],
    "no row": lambda good: good[:, :0],
    "no column": lambda good: good[..., :0],
    "complex": lambda good: good + 0j,
    "object": lambda good: good.astype(object),
    "booleans": lambda good: good > 0,
    "text": lambda good: good.astype(str),
    "dates": lambda good: good.astype("datetime64[s]"),
    "80 bits": lambda good: good.astype(np.longdouble),
    "masked": lambda good: np.ma.masked_array(good, good > 1),
    "NaN": lambda good: np.where(good == good.max(), np.nan, good),
    "infinite": lambda good: np.where(good == good.max(), np.inf, good),
}
"""Arrays that are no maps of local logits, made of one that is."""
LAYERS = Layers("small", (4, 5), (), (Dense(np.ones((3, 60)), np.zeros(3)),))
DEFENCES = (
    (RobustMasking((2, 2)), MAP),
    (RobustMasking((2, 2), evidence=EvidenceType.PREDICTION), MAP),
    (BoundedEvidence((2, 2)), MAP),
    (BoundedEvidence((2, 2), Squashing.CLIP, EvidenceType.CONFIDENCE), MAP),
    (FeatureMasking((2, 2)), MAP),
    (Smoothing((4, 5), (2, 2), (1, 1)), MAP),
    (MaskedDetection((2, 2)), MAP),
    (Undefended((2, 2)), MAP),
    (PatchCleanser(MaskSet((8, 8), (2, 2), 2)), MAP[:, :, :4] + MAP[:, :, :4].swapaxes(1, 2)),
    (IntervalBounds(LAYERS, (1, 1)), np.clip(MAP, 0, 1)),
)


def doors():
    """The functions of a defence that take an array, by name, each with one that it takes."""
    for defence, good in DEFENCES:
        for name in ("predict", "certify", "mask"):
            if hasattr(defence, name):
                yield f"{defence}.{name}", getattr(defence, name), np.maximum(good, 0)


def told(function, *arguments):
    """What a function gives, in words, or its error."""
    try:
        return _in_words(function(*arguments))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _in_words(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.tolist()}"
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return repr(value)


def pixels():
    """What comes of pixels that are no image."""
    features, model, cifar = extract(PHOTO, Colours()), Colours(), load_model("cifar10", "cpu")
    image, patch, own = features.pixels, Patch(0, 0, 4, 4), np.zeros((3, 32, 32), np.float32)
    contents = attacks.noise((4, 4))
    masks = MaskSet((48, 64), (8, 8), 2)
    bad = {
        "a list": lambda good: good.tolist(),
        "two axes": lambda good: good[0],
        "one colour": lambda good: good[:1],
        "a batch": lambda good: good[None],
        "float64": lambda good: good.astype(float),
        "bytes": lambda good: (255 * good).astype(np.uint8),
        "NaN": lambda good: good * np.float32(np.nan),
    }
    functions = {
        "local_logits": (cifar.local_logits, own),
        "paste": (lambda given: attacks.paste(given, patch, contents), image),
        "contents": (lambda given: attacks.paste(image, patch, given), contents),
        "update": (lambda given: update(features, model, patch, given), contents),
        "two_mask_predictions": (
            lambda given: pg_core.two_mask_predictions(pg_core.mean_logits(model), given, masks),
            image,
        ),
    }
    found = {
        f"{name}: {what}": told(function, change(good))
        for name, (function, good) in functions.items()
        for what, change in bad.items()
    }
    found["local_logits: larger"] = told(cifar.local_logits, np.zeros((3, 35, 37), np.float32))
    found["local_logits: smaller than a receptive field"] = told(cifar.local_logits, own[:, :3])
    found["paste: contents of another size"] = told(attacks.paste, image, patch, contents[:, 1:])
    return found


def equals():
    """Values that are written in two ways, each pair with what must be the same."""
    pairs = (
        (RobustMasking((2, 2), 0.0, "logits", bound="tight"), RobustMasking((2, 2), bound=Bound.TIGHT)),
        (
            RobustMasking([np.int8(2), np.uint16(3)], 0, wrapping=np.True_),
            RobustMasking((2, 3), wrapping=True),
        ),
        (RobustMasking((2, 2), np.float32(0.5)), RobustMasking((2, 2), 0.5)),
        (Windows((np.int64(4), 5), (2, np.int64(2))), Windows((4, 5), (2, 2))),
        (Threat((8, 8), "photo"), Threat((8, 8), Space.PHOTO)),
    )
    return [[(hash(value), repr(value)) for value in pair] for pair in pairs]


def scalars(examples):
    """What comes of a number or a word in the place of another, by the expression."""
    robust = RobustMasking((2, 2))
    batch = np.stack([MAP, MAP])
    masking = robust.predict(MAP)
    config, features = examples["DefenceConfig"], examples["LocalFeatures"]
    expressions = {
        "a name of no defence": lambda: defence_spec(WRONG),
        "a number for a defence": lambda: build(1, config),
        "a name of no defence to compare": lambda: compare(features, config, names=[WRONG]),
        "a name of no defence to measure": lambda: evaluation_cases(config, [(8, 8)], [WRONG]),
        "a list for a type of evidence": lambda: EvidenceType.named(["logits"]),
        "a window of fractions": lambda: RobustMasking((2.0, 2)),
        "a window of truth values": lambda: RobustMasking((True, True)),
        "one number for a window": lambda: RobustMasking(2),
        "a window as text": lambda: RobustMasking("22"),
        "a patch of fractions": lambda: Threat((8.5, 8)),
        "a map of fractions": lambda: Windows((4, 5.0), (2, 2)),
        "a box of fractions": lambda: Window(0, 0.5, 1, 1),
        "masks of fractions": lambda: MaskSet((8, 8), (2, 2), 2.5),
        "a field of fractions": lambda: ReceptiveField((8, 8), (0.5, 8)),
        "a threshold as text": lambda: RobustMasking((2, 2), "0.2"),
        "no threshold": lambda: RobustMasking((2, 2), None),
        "NaN for a threshold": lambda: RobustMasking((2, 2), math.nan),
        "NaN for c_h": lambda: RobustMasking((2, 2), clip_high=math.nan),
        "NaN for an alert threshold": lambda: MaskedDetection((2, 2), math.nan),
        "NaN for a vote threshold": lambda: Smoothing((4, 5), (2, 2), (1, 1), vote_threshold=math.nan),
        "text for wrapping": lambda: RobustMasking((2, 2), wrapping="no"),
        "half a label": lambda: robust.certify(MAP, 0.5),
        "a label as text": lambda: robust.certify(MAP, "cat"),
        "a truth value as label": lambda: robust.certify(MAP, True),
        "too large a label": lambda: robust.certify(MAP, 10**5000),
        "one label too many": lambda: robust.certify(batch, np.zeros(3, int)),
        "text for delta": lambda: robust.certify(MAP, 0, "0.1"),
        "text for a tolerance": lambda: Tolerance("0.1"),
        "NaN for a tolerance": lambda: Tolerance(math.nan),
        "a tolerance below 0": lambda: Tolerance(0.1, -1e-9),
        "a number for a tolerance": lambda: robust.certify_masking(masking, 0, 0.1),
        "one tolerance too many": lambda: robust.certify_masking(masking, 0, Tolerance(np.zeros(3))),
        "a list for a masking": lambda: robust.certify_masking([1.0], 0),
        "a network of one class": lambda: IntervalBounds(
            Layers("one", (4, 5), (), (Dense(np.ones((1, 60)), np.zeros(1)),)), (1, 1)
        ),
        "pixels for a photo": lambda: extract(np.zeros((48, 64, 3)), Colours()),
        "NaN for a photo": lambda: extract(Image.fromarray(np.full((48, 64), np.nan, np.float32)), Colours()),
    }
    return {name: told(expression) for name, expression in expressions.items()}


def main():
    known = examples()
    functions = calls(known)
    parameters = {
        name: {
            "words": [with_word(known, functions, name, word) for word in kind],
            "members": [with_word(known, functions, name, member) for member in kind.values()],
            "wrong": with_word(known, functions, name, WRONG),
        }
        for name, kind in words()
        if name in functions or name.split(".")[0] in known
    }
    arrays = {
        f"{name}: {what}": told(function, change(good))
        for name, function, good in doors()
        for what, change in BAD.items()
    }
    print(
        json.dumps(
            {
                "words": parameters,
                "arrays": arrays,
                "pixels": pixels(),
                "scalars": scalars(known),
                "equals": equals(),
            }
        )
    )


if __name__ == "__main__":
    main()

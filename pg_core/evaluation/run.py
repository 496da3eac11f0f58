"""Clean and provable robust accuracy over a folder of photos: the metrics of [PG] section 5.

The network runs once on each photo; every defence, patch size and threshold is evaluated on its local logits, except
IBP, which takes the pixels, and PatchCleanser, for which the network runs again for every pair of masks. Each photo's
outcome is a JSON line, written when it is known, so a run that was killed goes on where it stopped, for the photos
that are still the same.
"""

import json
import math
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pg_core import __version__
from pg_core.datasets.folders import LabelledPhoto, hash_of_photos
from pg_core.defences.base import Claim, Defence, DefenceInput, Verdict
from pg_core.defences.patchcleanser.inference import mean_logits, two_mask_predictions
from pg_core.defences.patchcleanser.masks import MaskSet
from pg_core.defences.patchcleanser.pixels import MASKS_PER_AXIS, mask_set
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.registry import defence_spec
from pg_core.defences.spec import DefenceConfig, DefenceSpec
from pg_core.defences.undefended import Undefended
from pg_core.evaluation.lines import Earlier, append, earlier, folder_name, root_of
from pg_core.evaluation.outcomes import CaseResult, PhotoResult, photo_result
from pg_core.evaluation.proportion import Proportion
from pg_core.evaluation.results import Accuracy, Configuration, Evaluation, Setting
from pg_core.evaluation.store import Kept, Store
from pg_core.evidence.arrays import LocalLogits
from pg_core.geometry import Size
from pg_core.io import files
from pg_core.io.parameters import coerce_fields
from pg_core.io.progress import Pace, Progress, Report
from pg_core.networks.base import LocalModel
from pg_core.photos.framing import Threat, frame
from pg_core.photos.inference import extract
from pg_core.photos.read import FramedPhoto, ImageError

_VERSIONS = ("torch", "torchvision", "numpy", "scipy", "pillow")


@dataclass(frozen=True, slots=True)
class EvaluationCase:
    """What is measured: a defence against patches of one size, in pixels of the image that the network sees; for
    PatchCleanser `masks` are those under pairs of which the network runs."""

    patch_size: Size
    name: str
    defence: Defence
    masks: MaskSet | None = None

    def __post_init__(self) -> None:
        coerce_fields(self)

    @property
    def setting(self) -> Setting:
        """The case in words and numbers, as JSON keeps it."""
        threshold = self.defence.threshold if isinstance(self.defence, RobustMasking) else None
        return Setting(self.patch_size, self.name, threshold, self.defence.claim, str(self.defence))


def evaluate(
    model: LocalModel,
    photos: Sequence[LabelledPhoto],
    cases: Sequence[EvaluationCase],
    lines: str | Path | None = None,
    weights_sha256: str | None = None,
    report: Report | None = None,
    logits: str | Path | None = None,
    skip_unreadable: bool = False,
) -> Evaluation:
    """Run the network on each photo that has no outcome in `lines` yet, and count.

    lines is a file of JSON lines, the configuration first; what a killed run left in it is kept, up to a line cut
    short. An outcome holds for a photo of the same name, content and label: one that changed is measured again, and
    one that is missing is not counted, and the evaluation names both, and damaged lines. The folder may have another
    name than in the lines, as long as one of its photos is among them. logits is a folder where local logits are kept,
    so that other cases need no network. With skip_unreadable a photo that cannot be read is named in the evaluation,
    which does not count it. Raises ValueError if the lines were written under another configuration or are all about
    the photos of another folder, ImageError for a bad photo, or if all are, FileError for a file that cannot be
    written; the text of a KeyboardInterrupt says how many photos are kept.
    """
    if not photos or not cases:
        raise ValueError(f"expected at least one photo and one defence, got {len(photos)} and {len(cases)}")
    path = None if lines is None else Path(lines)
    configuration = configure_run(model, cases, weights_sha256)
    before: Earlier[PhotoResult] = Earlier()
    if path is not None:
        before = earlier(path, configuration.summary(), photos, photo_result)
    known = dict(before.known)
    unmeasured = [photo for photo in photos if photo.name not in known]
    finished = len(photos) - len(unmeasured)
    pace = Pace(len(photos), finished)
    store = None if logits is None else _store(Path(logits), configuration)
    unreadable: list[str] = []
    try:
        for done, listed in enumerate(unmeasured, finished + 1):
            try:
                photo = listed.hashed()
                look = cache(partial(photo.framed, model.image_size, model.part))
                seen = _local_logits(model, photo, look, store)
                views = _views(model, look, cases, _within(report, pace, done - 1, photo.name, cases))
            except ImageError:
                if not skip_unreadable:
                    raise
                unreadable.append(listed.name)
            else:
                (outcome,) = judge(seen.local_logits[None], (photo,), cases, seen.delta, views)
                if path is not None:
                    append(path, outcome)
                known[photo.name] = outcome
            if report is not None:
                report(pace.progress(done))
    except KeyboardInterrupt:
        place = path or logits
        kept = "" if place is None else f"{len(known)} of {len(photos)} photos are kept in {place}"
        raise KeyboardInterrupt(kept) from None
    photos = [photo for photo in photos if photo.name in known]
    if not photos:
        raise ImageError(f"None of {len(unreadable)} photos can be read.")
    evaluation = count(configuration, photos, [known[photo.name] for photo in photos])
    return replace(
        evaluation,
        unreadable=tuple(sorted(unreadable)),
        changed=tuple(name for name in before.changed if name in known),
        missing=before.missing,
        spoilt=tuple(f"line {number}" for number in before.spoilt),
    )


def evaluation_cases(
    config: DefenceConfig,
    patch_sizes: Sequence[Size],
    names: Sequence[str] | None = None,
    thresholds: Sequence[float] = (0.0,),
) -> tuple[EvaluationCase, ...]:
    """A case for each patch size and each defence, in this order, with the network and the settings of a
    configuration; robust masking, which is the default, with each T.

    Raises ValueError for a defence that does not fit the network, a patch that is larger than its image, and more
    masks along an axis than it has pixels.
    """
    specs = [defence_spec(name) for name in names or (_robust_masking(config),)]
    for patch in patch_sizes:
        Threat(patch).on_network(frame(config.image_size, config.image_size))
    pixels, masks = max(config.image_size), config[MASKS_PER_AXIS]
    if masks > pixels and any(spec.input is DefenceInput.TWO_MASK_PREDICTIONS for spec in specs):
        raise ValueError(
            f"expected at most {pixels} masks per axis, one for each pixel of the image, got {masks}"
        )
    return tuple(
        _case(spec, _with(config, patch, threshold))
        for patch in patch_sizes
        for spec in specs
        for threshold in (thresholds if THRESHOLD in spec.parameters else (0.0,))
    )


def _case(spec: DefenceSpec, config: DefenceConfig) -> EvaluationCase:
    masks = mask_set(config) if spec.input is DefenceInput.TWO_MASK_PREDICTIONS else None
    return EvaluationCase(config.patch_size, spec.name, spec.build(config), masks)


def _with(config: DefenceConfig, patch_size: Size, threshold: float) -> DefenceConfig:
    settings = {**dict(config.settings), THRESHOLD.name: threshold}
    return replace(config, patch_size=patch_size, settings=settings)


def _robust_masking(config: DefenceConfig) -> str:
    return "mask-ds" if config.receptive_field.wrapping else "masking"


def network_runs(cases: Sequence[EvaluationCase]) -> int:
    """The number of runs of the network for each photo, without those on a few cells from which delta is estimated."""
    counts = [case.masks.count for case in cases if case.masks is not None]
    return 1 + sum(count * (count + 1) // 2 for count in counts)


def judge(
    local_logits: LocalLogits,
    photos: Sequence[LabelledPhoto],
    cases: Sequence[EvaluationCase],
    delta: float = 0.0,
    views: Mapping[EvaluationCase, np.ndarray] | None = None,
) -> tuple[PhotoResult, ...]:
    """The result of each defence on each photo, all photos at once; delta is the error of a local logit, views the
    inputs of those cases whose defence does not take local logits."""
    labels = np.array([photo.label for photo in photos])
    undefended = Undefended().predict(local_logits).label
    results: list[list[CaseResult]] = [[] for _ in photos]
    for case in cases:
        seen = local_logits if views is None else views.get(case, local_logits)
        error = 0.0 if defence_spec(case.name).input.exact else delta
        certificates = case.defence.certify(seen, labels, error)
        least = certificates.margin.min(axis=(-2, -1))
        for index, own in enumerate(results):
            certificate, margin = certificates[index], float(least[index])
            own.append(
                CaseResult(
                    int(certificate.prediction),
                    certificate.verdict,
                    margin if math.isfinite(margin) else None,
                )
            )
    return tuple(
        PhotoResult(
            photo.name, photo.sha256, photo.label, int(undefended[index]), delta, tuple(results[index])
        )
        for index, photo in enumerate(photos)
    )


def count(
    configuration: Configuration, photos: Sequence[LabelledPhoto], outcomes: Sequence[PhotoResult]
) -> Evaluation:
    """The accuracies of the outcomes of photos. Every verdict is counted, one that is absent as 0."""
    n = len(outcomes)
    runs = []
    for index, setting in enumerate(configuration.settings):
        verdicts: tuple[Counter[Verdict], ...] = tuple(Counter() for _ in configuration.classes)
        for outcome in outcomes:
            verdicts[outcome.label][outcome.results[index].verdict] += 1
        clean = sum(outcome.results[index].prediction == outcome.label for outcome in outcomes)
        certified = sum(own[Verdict.CERTIFIED] for own in verdicts)
        claimed = None if setting.claim is Claim.NOTHING else Proportion(certified, n)
        runs.append(Accuracy(setting, Proportion(clean, n), claimed, verdicts))
    undefended = sum(outcome.undefended == outcome.label for outcome in outcomes)
    delta = max((outcome.delta for outcome in outcomes), default=0.0)
    return Evaluation(
        configuration,
        folder_name(root_of(photos[0])),
        hash_of_photos((outcome.photo, outcome.sha256, outcome.label) for outcome in outcomes),
        delta,
        Proportion(undefended, n),
        tuple(runs),
    )


def _within(
    report: Report | None, pace: Pace, done: int, photo: str, cases: Sequence[EvaluationCase]
) -> Report | None:
    """Reports how far the pairs of masks of one photo have come, as a part of all photos."""
    if report is None:
        return None

    def show(pairs: Progress) -> None:
        overall = pace.progress(done, f"{photo}, {pairs.done}/{pairs.total} {pairs.message}")
        if overall.seconds_left is None and pairs.seconds_left is not None:
            # No photo is done yet: each run of the network takes as long as those so far.
            each = pairs.seconds_left / max(1, pairs.total - pairs.done)
            runs = network_runs(cases) * (pace.total - done) - pairs.done
            overall = replace(overall, seconds_left=each * runs)
        report(overall)

    return show


def _views(
    model: LocalModel, look: Callable[[], FramedPhoto], cases: Sequence[EvaluationCase], report: Report | None
) -> dict[EvaluationCase, np.ndarray]:
    """What the defences see that look at pixels, or at the network's answers under pairs of masks, for which it runs
    again and again."""
    looking = [case for case in cases if defence_spec(case.name).input is not DefenceInput.LOCAL_LOGITS]
    if not looking:
        return {}
    pixels = look().pixels
    return {
        case: (
            pixels
            if case.masks is None
            else two_mask_predictions(mean_logits(model), pixels, case.masks, report=report)
        )[None]
        for case in looking
    }


def _store(folder: Path, configuration: Configuration) -> Store:
    """Where local logits of this network are kept, and of no other."""
    files.prepare_folder(folder)
    rows, columns = configuration.receptive_field.map_size(configuration.image_size)
    network = json.dumps(configuration.network(), sort_keys=True)
    return Store(folder, network, (len(configuration.classes), rows, columns))


def _local_logits(
    model: LocalModel, photo: LabelledPhoto, look: Callable[[], FramedPhoto], store: Store | None
) -> Kept:
    """Local logits out of the store, or of the network, which are then stored."""
    assert photo.sha256 is not None
    kept = None if store is None else store.find(photo.sha256)
    if kept is None:
        features = extract(look(), model)
        kept = Kept(features.local_logits, features.delta)
        if store is not None:
            store.keep(photo.sha256, kept)
    return kept


def configure_run(
    model: LocalModel, cases: Sequence[EvaluationCase], weights_sha256: str | None
) -> Configuration:
    """All that an outcome depends on besides the photo."""
    return Configuration(
        model.name,
        model.classes,
        model.image_size,
        model.receptive_field,
        weights_sha256,
        tuple(case.setting for case in cases),
        (
            ("pg_core", __version__),
            ("python", platform.python_version()),
            *((name, version(name)) for name in _VERSIONS),
        ),
        getattr(model, "device", None),
    )

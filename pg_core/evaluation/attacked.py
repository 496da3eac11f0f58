"""An adaptive attack on each photo of a folder that is not certified: the upper end of robust accuracy (theory §12).

Each photo's outcome is a JSON line, written when it is known, so a run that was killed goes on where it stopped.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pg_core.analysis.photo import examine
from pg_core.attacks.pixels import attack
from pg_core.attacks.places import weakest
from pg_core.datasets.carried import carried
from pg_core.datasets.folders import LabelledPhoto, Photo, hash_of_photos
from pg_core.engines.base import Engine
from pg_core.engines.local import LocalEngine
from pg_core.evaluation.bracket import AttackedPhoto, Bracket, Budget, State, attacked_photo, counted
from pg_core.evaluation.cases import EvaluationCase, check_versions, configure_run
from pg_core.evaluation.lines import Earlier, append, earlier, folder_name
from pg_core.evaluation.results import Versions
from pg_core.io.progress import Pace, Report
from pg_core.networks import moved
from pg_core.networks.network import Network
from pg_core.photos.framing import Threat
from pg_core.photos.inference import extract
from pg_core.photos.read import ImageError

_LOCAL = LocalEngine()


@dataclass(frozen=True, slots=True, eq=False)
class Attacking:
    """The outcome of a photo, which depends on its content, the network, the case and the budget; all in one step."""

    model: Network
    case: EvaluationCase
    budget: Budget
    versions: Versions

    @property
    def long(self) -> bool:
        return True

    def begin(self, item: Photo, within: Report | None = None) -> AttackedPhoto:
        """The outcome; raises ImageError for a photo that cannot be read."""
        return _attacked(self.model, item.hashed(), self.case, self.budget)

    def finish(self, item: Photo, begun: AttackedPhoto) -> AttackedPhoto:
        return begun

    def carried(self, item: Photo) -> Photo:
        """With the photo's content; raises ImageError if it cannot be read."""
        return carried(item)

    def moved(self, device: str | None) -> "Attacking":
        """Raises ValueError where other versions are installed."""
        check_versions(self.versions)
        return replace(self, model=moved(self.model, device))


def attack_photos(
    model: Network,
    photos: Sequence[LabelledPhoto],
    case: EvaluationCase,
    budget: Budget | None = None,
    lines: str | Path | None = None,
    report: Report | None = None,
    skip_unreadable: bool = False,
    engine: Engine = _LOCAL,
) -> Bracket:
    """Attack each photo that has no outcome in `lines` yet, where its margin is smallest, until an attack succeeds,
    and count.

    lines is a file of JSON lines as that of `evaluate`; an outcome depends on the budget too. With skip_unreadable a
    photo that cannot be read is named in the bracket, which does not count it. Every engine gives the same outcomes.
    Raises ValueError if the lines were written under another configuration or are all about the photos of another
    folder, or the network gives no gradients, ImageError for a bad photo, or if all are, FileError for a file that
    cannot be written; the text of a KeyboardInterrupt says how many photos are kept.
    """
    if not photos:
        raise ValueError("expected at least one photo, got none")
    budget = Budget() if budget is None else budget
    configuration = configure_run(model, (case,), model.weights_sha256)
    if engine.device is not None:
        configuration = replace(configuration, device=engine.device)
    before: Earlier[AttackedPhoto] = Earlier()
    if lines is not None:
        depends_on = configuration.summary() | {"attack": budget.summary()}
        before = earlier(Path(lines), depends_on, photos, attacked_photo)
    known = dict(before.known)
    left = [photo for photo in photos if photo.name not in known]
    pace, unreadable = Pace(len(photos), len(photos) - len(left)), []
    work = Attacking(model, case, budget, configuration.versions)
    try:
        with closing(engine.results(work, left)) as coming:
            for done, (number, attacked) in enumerate(coming, len(photos) - len(left) + 1):
                try:
                    outcome = attacked()
                except ImageError:
                    if not skip_unreadable:
                        raise
                    unreadable.append(left[number].name)
                else:
                    if lines is not None:
                        append(Path(lines), outcome)
                    known[outcome.photo] = outcome
                if report is not None:
                    broken = counted(known.values()).get(State.BROKEN, 0)
                    report(pace.progress(done, f"{broken} broken by pixels"))
    except KeyboardInterrupt:
        kept = "" if lines is None else f"{len(known)} of {len(photos)} photos are kept in {lines}"
        raise KeyboardInterrupt(kept) from None
    outcomes = [known[photo.name] for photo in photos if photo.name in known]
    if not outcomes:
        raise ImageError(f"None of {len(unreadable)} photos can be read.")
    return Bracket(
        configuration,
        budget,
        folder_name(photos[0].root),
        hash_of_photos((outcome.photo, outcome.sha256, outcome.label) for outcome in outcomes),
        counted(outcomes),
        tuple(sorted(unreadable)),
    )


def _attacked(model: Network, photo: Photo, case: EvaluationCase, budget: Budget) -> AttackedPhoto:
    assert photo.label is not None
    features = extract(photo.framed(model.image_size, model.part), model)
    analysis = examine(features, case.defence, Threat(case.patch_size), model.classes[photo.label], model)
    unbroken = AttackedPhoto(photo.name, photo.sha256, photo.label, State.MISCLASSIFIED, 0)
    if int(analysis.defended.label) != photo.label:
        return unbroken
    if np.all(analysis.certificate.proved):
        return replace(unbroken, state=State.PROVED)
    tried = 0
    for tried, place in enumerate(weakest(analysis, budget.places), 1):
        result = attack(analysis, model, place, budget.steps, budget.restarts, budget.seed)
        if result.success:
            patch = place.top, place.left, place.height, place.width
            predicted = int(result.answer.defended.label)
            return replace(unbroken, state=State.BROKEN, places=tried, patch=patch, prediction=predicted)
    return replace(unbroken, state=State.OPEN, places=tried)

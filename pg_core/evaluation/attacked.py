"""An adaptive attack on each photo of a folder that is not certified: the upper end of robust accuracy (theory §12).

Each photo's outcome is a JSON line, written when it is known, so a run that was killed goes on where it stopped.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pg_core.analysis.photo import examine
from pg_core.attacks.pixels import attack
from pg_core.attacks.places import weakest
from pg_core.datasets.folders import LabelledPhoto, hash_of_photos
from pg_core.evaluation.bracket import AttackedPhoto, Bracket, Budget, State, attacked_photo, counted
from pg_core.evaluation.cases import EvaluationCase, configure_run
from pg_core.evaluation.lines import Earlier, append, earlier, folder_name
from pg_core.io.progress import Pace, Report
from pg_core.networks.network import Network
from pg_core.photos.framing import Threat
from pg_core.photos.inference import extract
from pg_core.photos.read import ImageError


def attack_photos(
    model: Network,
    photos: Sequence[LabelledPhoto],
    case: EvaluationCase,
    budget: Budget | None = None,
    lines: str | Path | None = None,
    report: Report | None = None,
    skip_unreadable: bool = False,
) -> Bracket:
    """Attack each photo that has no outcome in `lines` yet, where its margin is smallest, until an attack succeeds,
    and count.

    lines is a file of JSON lines as that of `evaluate`; an outcome depends on the budget too. With skip_unreadable a
    photo that cannot be read is named in the bracket, which does not count it. Raises ValueError if the lines were
    written under another configuration or are all about the photos of another folder, or the network gives no
    gradients, ImageError for a bad photo, or if all are, FileError for a file that cannot be written; the text of a
    KeyboardInterrupt says how many photos are kept.
    """
    if not photos:
        raise ValueError("expected at least one photo, got none")
    budget = Budget() if budget is None else budget
    configuration = configure_run(model, (case,), model.weights_sha256)
    before: Earlier[AttackedPhoto] = Earlier()
    if lines is not None:
        depends_on = configuration.summary() | {"attack": budget.summary()}
        before = earlier(Path(lines), depends_on, photos, attacked_photo)
    known = dict(before.known)
    left = [photo for photo in photos if photo.name not in known]
    pace, unreadable = Pace(len(photos), len(photos) - len(left)), []
    try:
        for done, listed in enumerate(left, len(photos) - len(left) + 1):
            try:
                outcome = _attacked(model, listed.hashed(), case, budget)
            except ImageError:
                if not skip_unreadable:
                    raise
                unreadable.append(listed.name)
            else:
                if lines is not None:
                    append(Path(lines), outcome)
                known[listed.name] = outcome
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


def _attacked(model: Network, photo: LabelledPhoto, case: EvaluationCase, budget: Budget) -> AttackedPhoto:
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

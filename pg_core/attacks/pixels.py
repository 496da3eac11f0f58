"""An adaptive attack on one placement of a patch: projected gradient descent on its pixels (theory §12).

Only the crop that the patch touches is run. Success is decided by the defence itself, on pixels of 8 bits, written to
a file and read again, in a full pass. Not here: the losses, see `pg_core.attacks.objectives`.
"""

import io
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float64
from PIL import Image

from pg_core.analysis.photo import Analysis, Answer, answer
from pg_core.attacks.descent import Descent
from pg_core.attacks.objectives import Objective, objective
from pg_core.defences.base import ALERT
from pg_core.defences.bounded import BoundedEvidence
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.geometry import Patch
from pg_core.io.parameters import shown, whole
from pg_core.io.progress import Pace, Report
from pg_core.networks.base import Pixels
from pg_core.networks.network import Network
from pg_core.photos.patches import PatchPixels, noise, paste
from pg_core.photos.read import to_photo

FIRST_STEP, LAST_STEP = 0.2, 2 / 255
"""Of the descent, in the range of a colour; between them it follows a cosine."""
SMALL_STEPS = 0.25
"""What half of the restarts make of a step."""
HALVED_AT = (0.25, 0.5)
"""Shares of the steps after which the better half of the restarts goes on alone."""
CHECKED_EVERY = 10
"""Steps after which the defence is asked."""


class Enough(Exception):
    """Raised by the report of an attack, which then ends with the best that it has found so far."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AttackResult:
    """The best contents that were found for a patch, and the prediction of the defence for the image with them.

    losses has the objective of each restart before each step, NaN after the restart or the attack has ended. contents
    are multiples of 1/255; label and targets are indices of classes. `answer` is that of a full pass over the image as
    a file has it.
    """

    patch: Patch
    contents: PatchPixels
    label: int
    targets: tuple[int, ...]
    losses: Float64[np.ndarray, "restarts steps"]
    answer: Answer

    @property
    def success(self) -> bool:
        """Whether the defence predicts another class than the label. An alert is no success."""
        return int(self.answer.defended.label) not in (self.label, ALERT)

    @property
    def attempts(self) -> int:
        """The number of steps in all restarts together."""
        return int(np.isfinite(self.losses).sum())

    @property
    def steps(self) -> int:
        """The number of steps in the restart that went on longest."""
        return int(np.isfinite(self.losses).any(axis=0).sum())

    def png(self) -> bytes:
        """The image that the network saw with the patch, as a PNG file, which keeps each pixel."""
        return _png(self.answer.features.pixels)

    def gap_closed(self, analysis: Analysis) -> float:
        """The share of the way from the label's lead on the clean image to the certificate's margin at this placement
        that the pixels went: 1 where they attain the bounds. NaN where scores and bounds are not the same sums, so for
        all but robust masking and CBN, and where no one position holds what the patch can corrupt."""
        at = analysis.position(self.patch)
        if at is None or not isinstance(analysis.defence, RobustMasking | BoundedEvidence):
            return math.nan
        margin = float(analysis.certificate.margin[at.top, at.left])
        clean, attacked = (said.lead(self.label) for said in (analysis, self.answer))
        return (clean - attacked) / (clean - margin) if math.isfinite(margin) and clean > margin else math.nan

    def __repr__(self) -> str:
        outcome = f"predicts {self.answer.prediction}" if self.success else "without success"
        return f"AttackResult({self.patch}, {outcome}, {self.steps} steps, {len(self.targets)} restarts)"


def attack(
    analysis: Analysis,
    model: Network,
    placement: Patch,
    steps: int = 100,
    restarts: int = 4,
    seed: int = 0,
    target: int | None = None,
    report: Report | None = None,
) -> AttackResult:
    """Search pixels for a patch, in [0, 1], with which the defence of an analysis predicts another class than its
    label.

    model is the network of the analysis, placement the patch in pixels of the image that it sees. Every restart has a
    target: the class with this index, or else the rival of the certificate at this placement, then the classes with
    the largest mean of local logits. The same arguments give the same result on one device. report may raise
    `Enough`. Raises ValueError for a patch that leaves the image, for no step or restart, for a target that is the
    label or no class, for a network without gradients, and for a defence on which no attack is known.
    """
    steps, restarts = (_at_least_1(value, name) for value, name in ((steps, "steps"), (restarts, "restarts")))
    label = analysis.classes.index(analysis.label)
    targets = _targets(analysis, placement, label, restarts, target)
    start = np.stack([noise(placement.size, seed * restarts + restart) for restart in range(restarts)])
    start[0] = 0.5  # a plain patch hides what speaks for the label
    # Targets may alternate, so what restarts do otherwise goes by pairs. From corners of the cube other slopes lead.
    second = np.arange(restarts) % 4 >= 2
    start[second] = start[second].round()
    shares = np.where(second, SMALL_STEPS, 1.0).astype(np.float32)  # these stay nearer to where they began
    undetected = (np.arange(restarts) + 1) % 4 >= 2
    descent = Descent(analysis, model, placement, start, shares)

    def goal(alive: list[int]) -> Objective:
        device = model.mean.device
        aims = torch.tensor(targets, device=device)[alive], torch.tensor(undetected, device=device)[alive]
        return objective(analysis.defence, label, *aims)

    losses, pace = np.full((restarts, steps), np.nan), Pace(steps)
    alive = list(range(restarts))
    descended = goal(alive)
    for step in range(steps):
        losses[alive, step] = descent.step(descended, _size(step, steps))
        best = np.argsort(losses[alive, step], kind="stable").tolist()
        if (step + 1) % CHECKED_EVERY == 0 or step + 1 == steps:
            contents = descent.of_8_bits()
            for index in best:
                if descent.seems_broken(contents[index], label):
                    said = _full_pass(analysis, model, placement, contents[index])
                    result = AttackResult(placement, contents[index], label, targets, losses, said)
                    if result.success:
                        return result
        if step + 1 in [round(steps * share) for share in HALVED_AT] and len(alive) > 1:
            kept = sorted(best[: (len(alive) + 1) // 2])
            descent.keep(kept)
            alive = [alive[index] for index in kept]
            descended = goal(alive)
        if report is not None:
            try:
                report(pace.progress(step + 1, "steps"))
            except Enough:
                break
    nearest = descent.of_8_bits()[int(losses[alive, step].argmin())]
    return AttackResult(
        placement, nearest, label, targets, losses, _full_pass(analysis, model, placement, nearest)
    )


def _targets(
    analysis: Analysis, placement: Patch, label: int, restarts: int, target: int | None
) -> tuple[int, ...]:
    """A class for each restart."""
    if target is not None:
        target = whole(target, "target")
        if not 0 <= target < len(analysis.classes) or target == label:
            raise ValueError(
                f"expected a class other than the label {shown(analysis.label)}, by an index below "
                f"{len(analysis.classes)}, got {target}"
            )
        return (target,) * restarts
    at = analysis.position(placement)
    first = [] if at is None else [int(analysis.certificate.rival[at.top, at.left])]
    order = np.argsort(-analysis.features.local_logits.mean(axis=(-2, -1)), kind="stable").tolist()
    classes = [*first, *(c for c in order if c not in (label, *first))]
    return tuple(classes[restart % len(classes)] for restart in range(restarts))


def _size(step: int, steps: int) -> float:
    return LAST_STEP + (FIRST_STEP - LAST_STEP) * (1 + math.cos(math.pi * step / steps)) / 2


def _full_pass(analysis: Analysis, model: Network, placement: Patch, contents: PatchPixels) -> Answer:
    """What the defence says of the whole image as a file has it."""
    pixels = _written_and_read(paste(analysis.features.pixels, placement, contents))
    features = replace(analysis.features, pixels=pixels, local_logits=model.local_logits(pixels))
    return answer(features, analysis.defence, model)


def _written_and_read(pixels: Pixels) -> Pixels:
    """The image of 8 bits a colour that a file without loss gives back."""
    with Image.open(io.BytesIO(_png(pixels))) as image:
        read = np.asarray(image, np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(read) / np.float32(255)


def _png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    to_photo(pixels).save(file, "PNG")
    return file.getvalue()


def _at_least_1(value: int, name: str) -> int:
    number = whole(value, name)
    if number < 1:
        raise ValueError(f"expected at least 1 for {name}, got {number}")
    return number

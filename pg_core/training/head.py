"""The head of double masking, trained on maps of local logits that are there already: minutes without the network.

It begins as double masking of sharpened evidence and moves a few hundred steps away from that: trained for longer it
learns the photos by heart, also because the network is surer of photos that it was trained on than of others (measured
here). Not here: what the head is, see `pg_core.defences.patchcleanser.head`.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int
from torch import Tensor

from pg_core.evidence.head import LEAST, POWERS, MaskingHead
from pg_core.evidence.types import SHARPENED_POWER, confidence
from pg_core.geometry import Size, Window, Windows
from pg_core.io.parameters import coerce_fields
from pg_core.io.progress import Pace, Report

_MOMENTUM = 0.98
"""Of the moving average of the weights, which is the result."""


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """How a head is trained: `steps` steps of `photos_per_step` photos under `pairs` random pairs of windows each, the
    `worst` of which count as much as as many others. `decay` pulls the weights to where they began. Raises ValueError
    for values out of range."""

    steps: int = 400
    photos_per_step: int = 128
    pairs: int = 24
    worst: int = 6
    rate: float = 1e-3
    decay: float = 1.0
    sharpness: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        coerce_fields(self)
        if not (self.steps >= 0 and self.photos_per_step >= 1 and 1 <= self.worst <= self.pairs):
            raise ValueError(f"expected steps >= 0 and 1 <= worst <= pairs, got {self}")
        if not (self.rate > 0 and self.decay >= 0 and self.sharpness > 0 and self.seed >= 0):
            raise ValueError(f"expected positive rate and sharpness, decay and seed >= 0, got {self}")


def train_head(
    local_logits: Float32[np.ndarray, "photos classes rows columns"],
    labels: Int[np.ndarray, "photos"],
    window_sizes: tuple[Size, ...],
    recipe: HeadRecipe = HeadRecipe(),
    wrapping: bool = False,
    report: Report | None = None,
) -> MaskingHead:
    """A head for the network of these local logits, against windows of all of these sizes.

    Raises ValueError for fewer than two photos, and for labels out of range.
    """
    count, classes, rows, columns = local_logits.shape
    if count < 2 or labels.shape != (count,) or not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"expected two photos or more, with labels of {classes} classes, got {count}")
    shares = torch.from_numpy(confidence(local_logits).astype(np.float32)).flatten(2)
    values = torch.cat([shares**power for power in POWERS], dim=1).transpose(1, 2)
    outside = [_outside(Windows((rows, columns), size, wrapping)) for size in window_sizes]
    truth = torch.from_numpy(labels.astype(np.int64))
    generator = torch.Generator().manual_seed(recipe.seed)
    start = torch.zeros(classes, len(POWERS) * classes)
    first = POWERS.index(SHARPENED_POWER) * classes
    start[:, first : first + classes] = recipe.sharpness * torch.eye(classes)
    features = (values.mean(dim=1) + LEAST).log()
    spread, middle = features.std(dim=0) + 1e-6, features.mean(dim=0)
    moved = [torch.zeros_like(start).requires_grad_(), torch.zeros(classes).requires_grad_()]
    average = [torch.zeros_like(own) for own in moved]
    optimizer = torch.optim.AdamW(moved, recipe.rate, weight_decay=recipe.decay)
    pace = Pace(recipe.steps)
    for step in range(recipe.steps):
        chosen = torch.randint(count, (min(recipe.photos_per_step, count),), generator=generator)
        means = _left(values[chosen], outside[step % len(outside)], recipe.pairs, generator)
        logs = (means + LEAST).log()
        scores = logs @ start.T + (logs - middle) / spread @ moved[0].T + moved[1]
        loss = _loss(scores, truth[chosen], recipe.worst)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        momentum = min(_MOMENTUM, (step + 1) / (step + 10))
        with torch.no_grad():
            for mean, own in zip(average, moved, strict=True):
                mean.lerp_(own, 1 - momentum)
        if report is not None:
            report(pace.progress(step + 1, f"loss {float(loss.detach()):.3f}"))
    weights = (start + average[0] / spread).double()
    biases = (average[1] - average[0] @ (middle / spread)).double()
    if not all(math.isfinite(float(each.sum())) for each in (weights, biases)):
        raise ValueError("training diverged: choose a lower rate")
    return MaskingHead(tuple(map(tuple, weights.tolist())), tuple(biases.tolist()))


def _outside(windows: Windows) -> Float[Tensor, "windows cells"]:
    """1 in every cell outside each window."""
    held = windows.holding(Window(0, 0, *windows.map_size)).reshape(windows.count, -1)
    return torch.from_numpy(~held).float()


def _left(
    values: Float[Tensor, "photos cells values"],
    outside: Float[Tensor, "windows cells"],
    pairs: int,
    generator: torch.Generator,
) -> Float[Tensor, "photos pairs values"]:
    """The mean of what random pairs of windows leave, over all cells of the map."""
    first, second = (
        outside[torch.randint(len(outside), (len(values), pairs), generator=generator)] for _ in range(2)
    )
    return (first * second) @ values / values.shape[1]


def _loss(
    scores: Float[Tensor, "photos pairs classes"], labels: Int[Tensor, "photos"], worst: int
) -> Float[Tensor, ""]:
    """The mean cross-entropy of each photo's worst pairs, and that of as many others."""
    photos, pairs, _ = scores.shape
    each = F.cross_entropy(scores.flatten(0, 1), labels.repeat_interleave(pairs), reduction="none")
    each = each.view(photos, pairs)
    return each.topk(worst, dim=1).values.mean() + each[:, :worst].mean()

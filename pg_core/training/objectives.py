"""What training makes small: the label's evidence has to win without what the masks can take ([PG] appendix A).

`provable_loss` is the published objective; the others take from the label what the lower bound of theory §5 lets an
adversary and the masks take, which certifies more.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pg_core.geometry import Size
from pg_core.training.recipe import IntervalRecipe, MapRecipe, PartsRecipe, Recipe, WholeRecipe

Targets = Int[Tensor, "photos"] | Float[Tensor, "photos classes"]
"""What a cross-entropy wants: a class, or probabilities of all."""

_LEAST = 1e-4
"""Added to mean evidence before the logarithm, so that no evidence at all has a finite loss."""


def objective(
    recipe: Recipe,
    logits: Float[Tensor, "*outputs"],
    labels: Int[Tensor, "photos"],
    targets: Targets,
    part_targets: Float[Tensor, "parts classes"] | None = None,
) -> Float[Tensor, ""]:
    """The loss of what a network says of a batch: logits of all parts, maps of local logits, or least leads.

    Masks and adversaries take from the labels. What the cross-entropies want are the labels too, or with a teacher
    probabilities (knowledge distillation, Hinton et al. 2015): of photos, or of all their parts, photo by photo.
    """
    match recipe:
        case PartsRecipe():
            parts = logits.reshape(len(labels), -1, logits.shape[-1])
            wanted = (
                targets.repeat_interleave(parts.shape[1], dim=0) if part_targets is None else part_targets
            )
            of_photos = masked_loss(parts, labels, targets, recipe.dropped, recipe.power, recipe.sharpness)
            return of_photos + recipe.part_weight * F.cross_entropy(parts.flatten(0, 1), wanted)
        case MapRecipe():
            return window_loss(logits, labels, targets, recipe.window, recipe.scale, recipe.clean_weight)
        case IntervalRecipe():
            return interval_loss(logits, labels, targets, recipe.share)
        case WholeRecipe():
            return F.cross_entropy(logits, targets)
        case _:
            raise TypeError(f"expected a recipe with an objective, got {type(recipe).__name__}")


def masked_loss(
    part_logits: Float[Tensor, "photos parts classes"],
    labels: Int[Tensor, "photos"],
    targets: Targets,
    dropped: int,
    power: int,
    sharpness: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of the photos' evidence, the label without its `dropped` best parts.

    The evidence of a class is the mean of its confidences to the `power`; its share in the loss is that to the power
    `sharpness`. The label loses as in the lower bound of theory §5, the other classes nothing, as in the upper bound.
    """
    photos, parts, _ = part_logits.shape
    confidence = part_logits.softmax(dim=-1) ** power
    own = confidence.gather(2, labels[:, None, None].expand(photos, parts, 1))[..., 0]
    kept = own.sum(dim=1) - own.topk(dropped, dim=1).values.sum(dim=1)
    evidence = confidence.sum(dim=1).scatter(1, labels[:, None], kept[:, None]) / parts
    return F.cross_entropy(sharpness * (evidence + _LEAST).log(), targets)


def window_loss(
    local_logits: Float[Tensor, "batch classes rows columns"],
    labels: Int[Tensor, "batch"],
    targets: Targets,
    window: int,
    scale: float,
    clean_weight: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of scale times the mean clipped logits after the label has lost two windows and its rivals the
    first of them, as in the margin of theory §5 at the label's largest window; plus clean_weight times that of all
    evidence."""
    evidence = local_logits.clamp(min=0)
    rows, columns = evidence.shape[-2:]
    own = evidence.gather(1, labels[:, None, None, None].expand(-1, 1, rows, columns))[:, 0]
    outside = ~_largest_window(own.detach(), window)
    spared = outside & ~_largest_window(own.detach() * outside, window)
    kept = (own * spared).sum(dim=(1, 2))
    reached = (evidence * outside[:, None]).sum(dim=(2, 3))
    scores = reached.scatter(1, labels[:, None], kept[:, None]) / (rows * columns)
    provable = F.cross_entropy(scale * scores, targets)
    clean = F.cross_entropy(scale * evidence.mean(dim=(2, 3)), targets)
    return provable + clean_weight * clean


def interval_loss(
    leads: Float[Tensor, "batch 2 classes classes"],
    labels: Int[Tensor, "batch"],
    targets: Targets,
    share: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of logits as far as the label's least leads allow: those under the worst patch, where each class
    gets as near to the label as it gets anywhere, count `share`; those without a patch the rest."""
    clean, worst = leads[torch.arange(len(labels)), :, labels].unbind(dim=1)
    return (1 - share) * F.cross_entropy(-clean, targets) + share * F.cross_entropy(-worst, targets)


def provable_loss(
    local_logits: Float[Tensor, "batch classes rows columns"],
    labels: Int[Tensor, "batch"],
    window_size: Size,
) -> Float[Tensor, ""]:
    """The published objective ([PG] appendix A): clip local logits at 0, take the label's largest window from
    its total, divide by the number of locations; cross-entropy."""
    evidence = local_logits.clamp(min=0)
    rows, columns = evidence.shape[-2:]
    height, width = min(window_size[0], rows), min(window_size[1], columns)
    own = evidence.gather(1, labels[:, None, None, None].expand(-1, 1, rows, columns))
    largest = F.avg_pool2d(own, (height, width), stride=1).amax(dim=(2, 3)) * (height * width)
    totals = evidence.sum(dim=(2, 3))
    return F.cross_entropy(totals.scatter_add(1, labels[:, None], -largest) / (rows * columns), labels)


def _largest_window(
    values: Float[Tensor, "batch rows columns"], size: int
) -> Bool[Tensor, "batch rows columns"]:
    """The cells of the size x size window with the largest sum, the first on ties."""
    sums = F.avg_pool2d(values[:, None], size, stride=1)
    batch, _, rows, columns = sums.shape
    at = F.one_hot(sums.reshape(batch, -1).argmax(dim=1), rows * columns).reshape(batch, 1, rows, columns)
    # A window is where a maximum over size x size positions, moved to its last cell, finds its first cell.
    cells = F.max_pool2d(F.pad(at.to(values.dtype), (size - 1,) * 4), size, stride=1)
    return cells[:, 0] > 0

"""Objectives on maps: the published one ([PG] appendix A), in which the label's evidence has to win without its
largest window, and that of double masking on features (theory §9), in which label and rival lose the same two windows.

Not here: those of single networks, each in its module of `pg_core.training.studies`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pg_core.geometry import Size
from pg_core.training.recipe import Targets

LEAST = 1e-4
"""Added to mean evidence before the logarithm, so that no evidence at all has a finite loss."""


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


def double_masking_loss(
    evidence: Float[Tensor, "batch classes rows columns"],
    labels: Int[Tensor, "batch"],
    targets: Targets,
    window: int,
    sharpness: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of sharpness times, for each class, the logarithm of its mean evidence over the label's, both
    outside the two windows of window x window cells that `two_windows` takes from the label's lead over it.

    Evidence is at least 0. The windows count as constants in the gradient.
    """
    kept, reached = outside_two_windows(evidence, labels, window)
    # The label's own entry is the logarithm of 1.
    return F.cross_entropy(sharpness * ((reached + LEAST).log() - (kept + LEAST).log()), targets)


def outside_two_windows(
    evidence: Float[Tensor, "batch classes rows columns"], labels: Int[Tensor, "batch"], window: int
) -> tuple[Float[Tensor, "batch classes"], Float[Tensor, "batch classes"]]:
    """What label and rival keep, for each rival: their mean evidence over all cells, without those of the two windows.

    Their difference times the number of cells is never less than the least margin of `FeatureMasking.certify`, which
    looks at all pairs of windows and not at one: training sees the true margin or a larger one, and the same for
    windows of a single cell.
    """
    batch, classes, rows, columns = evidence.shape
    own = evidence.gather(1, labels[:, None, None, None].expand(-1, 1, rows, columns))
    leads = (own - evidence).detach().flatten(0, 1)
    outside = ~two_windows(leads, window).view(batch, classes, rows, columns)
    return (own * outside).mean(dim=(2, 3)), (evidence * outside).mean(dim=(2, 3))


def two_windows(leads: Float[Tensor, "maps rows columns"], window: int) -> Bool[Tensor, "maps rows columns"]:
    """The cells of two windows that take much of a lead: the largest one, the largest of what is left, and then the
    first chosen again beside the second, which never takes less."""
    first = largest_window(leads, window)
    second = largest_window(leads.masked_fill(first, 0), window)
    return largest_window(leads.masked_fill(second, 0), window) | second


def largest_window(
    values: Float[Tensor, "batch rows columns"], size: int
) -> Bool[Tensor, "batch rows columns"]:
    """The cells of the size x size window with the largest sum, the first on ties."""
    sums = F.avg_pool2d(values[:, None], size, stride=1)[:, 0]
    top_left = sums.flatten(1).argmax(dim=1)
    down = torch.arange(values.shape[1], device=values.device) - (top_left // sums.shape[2])[:, None]
    right = torch.arange(values.shape[2], device=values.device) - (top_left % sums.shape[2])[:, None]
    return ((down >= 0) & (down < size))[:, :, None] & ((right >= 0) & (right < size))[:, None, :]

"""The published objective of training ([PG] appendix A): the label's evidence has to win without its largest window.

Not here: those of the networks trained here, each in its module of `pg_core.training.studies`. They take from the
label what the lower bound of theory §5 lets an adversary and the masks take, which certifies more.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from pg_core.geometry import Size


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

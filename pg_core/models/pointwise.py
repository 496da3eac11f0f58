"""A network for small images that sees a few pixels and then thinks about each location alone.

Two convolutions without padding, then residual blocks of 1x1 layers, as in a BagNet (Brendel and Bethge 2019) that
leaves its 3x3 layers at the beginning: here those 1x1 layers are matrix products with layer normalisation, which runs
at the full speed of a processor. The stride is that of the second convolution, so a map can be finer or coarser than
in training.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class PointwiseBlock(nn.Module):
    """x + B relu(A norm(x)) at each location; the block begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, values: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """The block's output."""
        return values + self.project(F.relu(self.expand(self.norm(values))))


class PointwiseNet(nn.Module):
    """Local logits >= 0 (a softplus, so that clipping at 0 takes nothing) of images in [-1, 1]; receptive field
    `field` pixels, 3 at least."""

    def __init__(
        self, field: int, stride: int, classes: int, width: int = 512, blocks: int = 4, channels: int = 64
    ) -> None:
        super().__init__()
        self.stride = stride
        self.edges = nn.Conv2d(3, channels, 3)
        self.embed = nn.Conv2d(channels, width, field - 2)
        self.blocks = nn.Sequential(*(PointwiseBlock(width) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        # Little evidence for anything to begin with, but enough for a gradient.
        nn.init.constant_(self.head.bias, -1.0)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits: floor((H - field)/stride) + 1 rows, columns likewise."""
        values = F.relu(self.edges(images.contiguous(memory_format=torch.channels_last)))
        values = F.conv2d(values, self.embed.weight, self.embed.bias, stride=self.stride)
        logits = self.head(self.norm(self.blocks(values.permute(0, 2, 3, 1).contiguous())))
        return F.softplus(logits.float()).permute(0, 3, 1, 2).contiguous()

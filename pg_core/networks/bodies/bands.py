"""Column bands ([DS], Levine and Feizi 2020): any classifier of an image that is blank outside one band of columns.

The map has one row and as many bands as the image has columns; a band that passes the right edge goes on at the left.
A band is given as [x, 1 - x], zero outside of it, so that no pixel looks like what was taken out.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pg_core.geometry import Window
from pg_core.networks.network import Network

_VALUES_AT_A_TIME = 2**22
"""Numbers in one batch of banded images: bounds memory, and no larger batch is faster on a CPU."""


class Bands(nn.Module):
    """Logits of each band of `width` columns, from a base that maps [batch, 6, height, width] to class logits."""

    def __init__(self, base: nn.Module, width: int) -> None:
        super().__init__()
        self.base = base
        self.width = width

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], first: Int[Tensor, "bands"] | None = None
    ) -> Float[Tensor, "batch classes 1 bands"]:
        """Local logits of normalised images, of all bands in order, or of those that begin at the columns `first`."""
        batch, _, height, width = images.shape
        first = torch.arange(width, device=images.device) if first is None else first
        inside = (torch.arange(width, device=images.device) - first[:, None]) % width < self.width
        both = torch.cat([images, 1 - images], dim=1)
        count = max(1, _VALUES_AT_A_TIME // (6 * height * width))
        logits = [
            self.base(torch.where(part[:, None, None, :], image, 0.0))
            for image in both
            for part in torch.split(inside, count)
        ]
        return torch.cat(logits).reshape(batch, len(first), -1).transpose(1, 2)[:, :, None].contiguous()


class BandNetwork(Network):
    """A network whose body is `Bands`: a window of its map is a few bands, not a crop."""

    def window(
        self, images: Float[Tensor, "batch 3 height width"], window: Window
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits of the bands of a window, around the right edge where it wraps."""
        columns = torch.arange(window.left, window.right, device=images.device) % images.shape[-1]
        return self.body(self.normalised(images), columns)

"""BagNet (Brendel and Bethge 2019), a ResNet-50 whose receptive field is 9, 17 or 33 pixels, stride 8.

The architecture of the published checkpoints: no padding anywhere; a bottleneck whose 3x3 convolution shrinks the map
crops its shortcut at the bottom and on the right. The linear layer is applied at each location, not to their mean.
"""

from jaxtyping import Float
from torch import Tensor, nn

_DEPTHS = (3, 4, 6, 3)
_STRIDES = (2, 2, 2, 1)
_WIDE_STAGES = {9: 2, 17: 3, 33: 4}
"""How many of the four stages open with a 3x3 convolution, by receptive field."""


class Bottleneck(nn.Module):
    """1x1, kernel x kernel, 1x1; the shortcut is cropped to the size of the result, smaller without padding."""

    def __init__(self, inputs: int, width: int, stride: int, kernel: int, padding: int = 0) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel, stride, padding, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if stride != 1 or inputs != outputs
            else None
        )

    def forward(self, values: Float[Tensor, "batch channels height width"]) -> Tensor:
        """The block's output; smaller by kernel - 1 - 2 padding before the stride."""
        inner = self.relu(self.bn1(self.conv1(values)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(inner))
        shortcut = values if self.downsample is None else self.downsample(values)
        return self.relu(inner + shortcut[..., : inner.shape[-2], : inner.shape[-1]])


class BagNet(nn.Module):
    """Local logits of normalised images; receptive field 9, 17 or 33 pixels."""

    def __init__(self, field: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 64, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        inputs = 64
        for stage, (depth, stride) in enumerate(zip(_DEPTHS, _STRIDES, strict=True)):
            kernel = 3 if stage < _WIDE_STAGES[field] else 1
            width = 64 * 2**stage
            blocks = [Bottleneck(inputs, width, stride, kernel)]
            blocks += [Bottleneck(4 * width, width, 1, 1) for _ in range(depth - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            inputs = 4 * width
        self.fc = nn.Linear(inputs, classes)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits: the linear layer at each location."""
        values = self.relu(self.bn1(self.conv2(self.conv1(images))))
        for stage in range(len(_DEPTHS)):
            values = getattr(self, f"layer{stage + 1}")(values)
        return self.fc(values.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()

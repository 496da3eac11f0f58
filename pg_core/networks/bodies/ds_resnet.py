"""The networks of de-randomized smoothing ([DS]) and Mask-DS ([PG]): ResNets that see six channels of one band.

DS-25-ResNet-50 is torchvision's ResNet-50 on 299x299 pixels; DS-4-ResNet-18 a ResNet-18 made for 32x32, whose names
of modules are those of patchSmoothing's state dicts. The bands themselves are in `pg_core.networks.bodies.bands`.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pg_core.networks.bodies.resnet import ResNet50


class SixChannelResNet50(ResNet50):
    """Class logits of a normalised band and its complement."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes, channels=6)

    def forward(self, images: Float[Tensor, "batch 6 height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of the mean over the locations."""
        return self.fc(self.features(images).mean(dim=(2, 3)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, and a shortcut of 1x1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, values: Float[Tensor, "batch channels height width"]) -> Tensor:
        """The block's output."""
        inner = F.relu(self.bn1(self.conv1(values)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(values))


class SixChannelResNet18(nn.Module):
    """Class logits of a band of a 32x32 image and its complement, pixels in [0, 1]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(6, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, (outputs, stride) in enumerate(((64, 1), (128, 2), (256, 2), (512, 2)), start=1):
            blocks = nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))
            setattr(self, f"layer{stage}", blocks)
            inputs = outputs
        self.linear = nn.Linear(inputs, classes)

    def forward(self, images: Float[Tensor, "batch 6 32 32"]) -> Float[Tensor, "batch classes"]:
        """Logits of the mean over the 4x4 locations."""
        values = F.relu(self.bn1(self.conv1(images)))
        for stage in range(1, 5):
            values = getattr(self, f"layer{stage}")(values)
        return self.linear(values.mean(dim=(2, 3)))

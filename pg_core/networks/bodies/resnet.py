"""ResNet-50 (He et al. 2016) as torchvision and the published checkpoints have it, classified at each location.

The stride of a block is in its 3x3 convolution, so that a location sees 427 pixels per axis, 213 of them padding at
the corner; the 483 of [PG] belong to the first design, with the stride in the 1x1 convolution before it. Either is
more than an image has. Not here: the mean over the locations, which the undefended prediction takes.
"""

from jaxtyping import Float
from torch import Tensor, nn

from pg_core.networks.bodies.bagnet import Bottleneck


class ResNet50(nn.Module):
    """Local logits of normalised images: the linear layer at each location."""

    def __init__(self, classes: int, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        inputs = 64
        for stage, (depth, stride) in enumerate(((3, 1), (4, 2), (6, 2), (3, 2))):
            width = 64 * 2**stage
            blocks = [Bottleneck(inputs, width, stride, 3, padding=1)]
            blocks += [Bottleneck(4 * width, width, 1, 3, padding=1) for _ in range(depth - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            inputs = 4 * width
        self.fc = nn.Linear(inputs, classes)

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes rows columns"]:
        """Local logits; their mean is torchvision's output."""
        return self.fc(self.features(images).permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()

    def features(self, images: Float[Tensor, "batch channels height width"]) -> Tensor:
        """The features that the linear layer takes, [batch, 2048, rows, columns]."""
        values = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in range(1, 5):
            values = getattr(self, f"layer{stage}")(values)
        return values

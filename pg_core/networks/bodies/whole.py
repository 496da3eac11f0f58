"""A network whose receptive field is the whole of a small image: nothing can be certified, but it is the teacher of
networks with small receptive fields (knowledge distillation)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from pg_core.geometry import ReceptiveField, Size
from pg_core.networks.bodies.architectures import Architecture
from pg_core.networks.network import Network


@dataclass(frozen=True, slots=True)
class Whole(Architecture):
    """Logits of a whole 32x32 image, by a ResNet (He et al. 2016) of one block a stage whose first layers keep all
    pixels: a 3x3 convolution of stride 1 and no pooling. Nothing to certify, but a teacher."""

    kind: ClassVar[str] = "whole"
    placed: ClassVar[type[Network]] = Network

    @property
    def receptive_field(self) -> ReceptiveField:
        return ReceptiveField((32, 32), (32, 32))

    @property
    def image_size(self) -> Size:
        return 32, 32

    def untrained(self, classes: int) -> nn.Module:
        net: nn.Module = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=classes)
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
        return net

    def local(self, base: nn.Module, classes: int) -> nn.Module:
        raise TypeError("expected a network with local logits, got one that sees whole photos")

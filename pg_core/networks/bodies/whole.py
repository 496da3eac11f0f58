"""A network that sees whole small images: no part of its answer can be masked, but it teaches those that see less."""

from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet


def whole_net(classes: int) -> nn.Module:
    """Class logits of small images in [-1, 1] by a ResNet (He et al. 2016) of one block a stage whose first layers
    keep all pixels: a 3x3 convolution of stride 1 and no pooling."""
    net: nn.Module = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=classes)
    net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return net

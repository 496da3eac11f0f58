"""The networks trained here, from their cards: how each is built, before training and with its weights."""

import torch
from torch import nn

from pg_core.networks.bodies import architectures
from pg_core.networks.bodies.architectures import Architecture
from pg_core.networks.bodies.bands import BandNetwork
from pg_core.networks.bodies.efficientnet import LITES, EfficientNetLite, fold_batch_norm
from pg_core.networks.bodies.interval_net import IntervalNet, LocalIntervalNet
from pg_core.networks.bodies.narrow_bands import BandClassifier, NarrowBands
from pg_core.networks.bodies.pointwise import PointwiseNet
from pg_core.networks.bodies.tiles import Tiles
from pg_core.networks.bodies.whole import whole_net
from pg_core.networks.catalogue import CIFAR10, Description, class_groups
from pg_core.networks.network import CheckpointError, Network, PlacedNetwork, load_state
from pg_core.networks.shipped import Card, read_card, read_weights

_SIGNED = (0.5, 0.5, 0.5)
"""Mean and deviation that turn pixels in [0, 1] into [-1, 1]."""

_KINDS: dict[type[Architecture], type[Network]] = {
    architectures.Bands: BandNetwork,
    architectures.Interval: PlacedNetwork,
    architectures.Pointwise: PlacedNetwork,
}
"""Networks of which a window is computed in their own way."""


def untrained(architecture: Architecture, classes: int) -> nn.Module:
    """The part with weights, as random as torch makes it."""
    match architecture:
        case architectures.Tiles(lite=lite):
            return fold_batch_norm(EfficientNetLite(LITES[lite], classes).eval())
        case architectures.Bands(width=width):
            return BandClassifier(architecture.image_size[0], width, classes)
        case architectures.Pointwise(field, stride, width, blocks):
            return PointwiseNet(architecture.image_size[0], field, stride, classes, width, blocks)
        case architectures.Interval(field, stride, width, blocks, narrow):
            side = architecture.image_size[0]
            return IntervalNet(side, field, stride, classes, width, blocks, narrow)
        case architectures.Whole():
            return whole_net(classes)


def loaded(card: Card, classes: int) -> nn.Module:
    """The part with weights, with those of a card; raises CheckpointError if they do not fit."""
    base = untrained(card.network, classes)
    load_state(base, read_weights(card), card.weights.name)
    return base


def load_trained(description: Description) -> Network:
    """A network with its shipped weights; raises CheckpointError if they or their card do not fit."""
    card = read_card(description.name)
    if card.network.receptive_field != description.receptive_field:
        raise CheckpointError(
            f"{card.path.name}: expected {description.receptive_field}, got {card.network.receptive_field}"
        )
    names = CIFAR10 if description.labels == "cifar10" else class_groups(description.labels)[0]
    base = loaded(card, len(names))
    return _KINDS.get(type(card.network), Network)(
        description.name,
        _local(card.network, base, len(names)),
        names,
        description.image_size,
        description.receptive_field,
        description.evidence,
        card.sha256,
        mean=_SIGNED,
        deviation=_SIGNED,
        part=description.part,
    )


def _local(architecture: Architecture, base: nn.Module, classes: int) -> nn.Module:
    """Local logits of images in [-1, 1] out of what was trained."""
    match architecture:
        case architectures.Tiles():
            groups = tuple((index,) for index in range(classes))
            fast = base.to(memory_format=torch.channels_last)
            return Tiles(fast, architecture.receptive_field, architecture.side, groups)
        case architectures.Bands(width=width):
            return NarrowBands(base, width)
        case architectures.Pointwise():
            return base
        case architectures.Interval():
            assert isinstance(base, IntervalNet)
            return LocalIntervalNet(base)
        case architectures.Whole():
            raise TypeError("expected a network with local logits, got one that sees whole photos")

"""The networks trained here, from their cards: each with its weights. Not here: how they are built, see
`pg_core.networks.bodies.architectures`."""

from torch import nn

from pg_core.networks.catalogue import CIFAR10, Description, class_groups
from pg_core.networks.network import CheckpointError, Network, load_state
from pg_core.networks.shipped import Card, read_card, read_weights

_SIGNED = (0.5, 0.5, 0.5)
"""Mean and deviation that turn pixels in [0, 1] into [-1, 1]."""


def loaded(card: Card, classes: int) -> nn.Module:
    """The trained module of a card, with its weights; raises CheckpointError if they do not fit."""
    base = card.network.untrained(classes)
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
    network = card.network.placed(
        description.name,
        card.network.local(loaded(card, len(names)), len(names)),
        names,
        description.image_size,
        description.receptive_field,
        description.evidence,
        card.sha256,
        mean=_SIGNED,
        deviation=_SIGNED,
        part=description.part,
    )
    network.head = card.head
    return network

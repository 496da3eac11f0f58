"""A network as the arrays that interval bounds need, its normalisation folded into the first layer."""

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from pg_core.defences.interval.bounds import Convolution, Dense, Layers
from pg_core.networks.base import LocalModel
from pg_core.networks.bodies.interval_net import LocalIntervalNet
from pg_core.networks.network import Network


def layers_of(model: LocalModel) -> Layers:
    """The layers, on pixels in [0, 1]; raises ValueError, one sentence, for a network whose body is no
    `LocalIntervalNet`."""
    if not isinstance(model, Network) or not isinstance(model.body, LocalIntervalNet):
        raise ValueError(
            "interval bounds need a small network that was trained for them, and this one was not"
        )
    base = model.body.base
    first, *others = ((_array(layer.weight), _array(layer.bias)) for layer in base.linear)
    weights = first[0].reshape(-1, base.field, base.field, 3).transpose(0, 3, 1, 2) / _array(model.deviation)
    bias = first[1] - (weights * _array(model.mean)).sum(axis=(1, 2, 3))
    convolutions = [Convolution(weights, bias, base.stride)]
    convolutions += [Convolution(weights[..., None, None], bias) for weights, bias in others]
    # With the ReLU on either side of it, 1 - x cuts values to [0, 1].
    channels = len(convolutions[-1].bias)
    convolutions.append(Convolution(-np.eye(channels)[..., None, None], np.ones(channels)))
    evidence = _array(base.evidence) / base.side
    last = Dense(evidence.reshape(len(evidence), -1), _array(base.bias))
    return Layers(f"{model.name} {model.weights_sha256[:8]}", model.image_size, tuple(convolutions), (last,))


def _array(values: Tensor | None) -> Float64[np.ndarray, "..."]:
    assert values is not None
    return values.detach().double().cpu().numpy().copy()

"""A network as the arrays that interval bounds need, its normalisation folded into the first layer."""

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from pg_core.defences.interval import Convolution, Dense, Layers
from pg_core.models.interval_net import LocalIntervalNet
from pg_core.models.local import LocalModel
from pg_core.models.network import Network


def layers_of(model: LocalModel) -> Layers:
    """The layers, on pixels in [0, 1]; raises ValueError, one sentence, for a network that is not made of
    convolutions without padding, ReLUs and a linear layer."""
    if not isinstance(model, Network) or not isinstance(model.body, LocalIntervalNet):
        raise ValueError(
            "interval bounds need a small network that was trained for them, and this one was not"
        )
    base, convolutions = model.body.base, []
    for index, layer in enumerate(base.layers):
        weights, bias = _array(layer.weight), _array(layer.bias)
        if index == 0:
            weights /= _array(model.deviation)
            bias -= (weights * _array(model.mean)).sum(axis=(1, 2, 3))
        convolutions.append(Convolution(weights, bias, layer.stride[0]))
    last = Dense(_array(base.last.weight), _array(base.last.bias))
    return Layers(f"{model.name} {model.weights_sha256[:8]}", model.image_size, tuple(convolutions), (last,))


def _array(values: Tensor | None) -> Float64[np.ndarray, "..."]:
    assert values is not None
    return values.detach().double().cpu().numpy().copy()

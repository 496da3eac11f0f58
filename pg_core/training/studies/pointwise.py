"""Maps of local logits of small images, of which the label loses two windows, as in the margin of theory §5."""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from pg_core.networks.base import Pixels
from pg_core.networks.bodies.architectures import Architecture
from pg_core.networks.bodies.pointwise import Pointwise
from pg_core.training.batches import moved, signed
from pg_core.training.objectives import largest_window
from pg_core.training.recipe import Recipe, Study, Targets


@dataclass(frozen=True, slots=True)
class MapRecipe(Recipe):
    """A fully convolutional network on whole photos, mirrored at random and translated by up to `shift` pixels.

    `training_stride` is the distance of the local logits in training, whatever it is later, from a random corner:
    coarse maps allow more photos in the same time. The label loses its best window of `window` x `window` locations
    and then the best one left, the other classes their evidence in the first. `scale` multiplies the mean evidence;
    `clean_weight` is the share of the loss of all evidence, without any loss of windows.
    """

    steps: int = 20000
    peak_rate: float = 2e-3
    warmup: int = 200
    decay: float = 0.7
    weight_decay: float = 0.1
    training_stride: int = 3
    window: int = 3
    scale: float = 8.0
    clean_weight: float = 1.0
    shift: int = 4

    def begin(self, network: Architecture, classes: int) -> nn.Module:
        """Random weights of the seed, for maps of the training stride."""
        coarse = replace(network, stride=self.training_stride) if isinstance(network, Pointwise) else network
        return Recipe.begin(self, coarse, classes)

    def inputs(self, images: list[Pixels], step: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
        shown = np.stack([moved(image, self.shift, generator) for image in images])
        corner = generator.integers(0, self.training_stride, 2)
        top, left = corner
        return signed(shown[..., top:, left:]), *torch.from_numpy(corner)

    def loss(
        self,
        logits: Float[Tensor, "*outputs"],
        labels: Int[Tensor, "photos"],
        targets: Targets,
        part_targets: Float[Tensor, "parts classes"] | None = None,
    ) -> Float[Tensor, ""]:
        return window_loss(logits, labels, targets, self.window, self.scale, self.clean_weight)


def window_loss(
    local_logits: Float[Tensor, "batch classes rows columns"],
    labels: Int[Tensor, "batch"],
    targets: Targets,
    window: int,
    scale: float,
    clean_weight: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of scale times the mean clipped logits after the label has lost two windows and its rivals the
    first of them, as in the margin of theory §5 at the label's largest window; plus clean_weight times that of all
    evidence."""
    evidence = local_logits.clamp(min=0)
    rows, columns = evidence.shape[-2:]
    own = evidence.gather(1, labels[:, None, None, None].expand(-1, 1, rows, columns))[:, 0]
    outside = ~largest_window(own.detach(), window)
    spared = outside & ~largest_window(own.detach() * outside, window)
    kept = (own * spared).sum(dim=(1, 2))
    reached = (evidence * outside[:, None]).sum(dim=(2, 3))
    scores = reached.scatter(1, labels[:, None], kept[:, None]) / (rows * columns)
    provable = F.cross_entropy(scale * scores, targets)
    clean = F.cross_entropy(scale * evidence.mean(dim=(2, 3)), targets)
    return provable + clean_weight * clean


STUDY = Study(Pointwise(), MapRecipe(), "cifar10", "cifar10")

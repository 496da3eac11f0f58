"""How a network is trained, as a value. It leaves out torch, so that a command line can show it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """What all training has in common, with defaults for images of 32x32 pixels.

    Two runs with equal recipes, photos and machine end in equal weights.
    The rate rises for `warmup` steps, stays at `peak_rate`, and falls to 0 over the last part `decay` of the steps.
    A `relative` rate is in units of the root mean square of each tensor at the beginning (folded batch normalisation
    leaves some a hundred times larger than others). `weight_decay` is AdamW's, of matrices alone; gradients are cut to
    a norm of `largest_gradient`. The result is the moving average of the weights. `shards` threads share a step.
    With `bfloat16` matrix products are rounded to it on a CPU too, as they always are on CUDA.
    """

    photos_per_step: int = 128
    steps: int = 6750
    peak_rate: float = 1.5e-3
    relative: bool = False
    warmup: int = 500
    decay: float = 0.6
    weight_decay: float = 0.05
    largest_gradient: float = 1.0
    averaging: float = 0.998
    bfloat16: bool = True
    held_out: int = 2000
    shards: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.photos_per_step % self.shards:
            raise ValueError(
                f"expected steps >= 1 and photos_per_step a multiple of {self.shards} shards, "
                f"got {self.steps} and {self.photos_per_step}"
            )

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        falling = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.peak_rate * min(1.0, (step + 1) / self.warmup, falling)


@dataclass(frozen=True, slots=True)
class PartsRecipe(Recipe):
    """A network that classifies parts of a photo, one by one: `parts_per_photo` of them in a step.

    `dropped` of a photo's parts do not count for the label, those with most evidence; `sharpness` is the power of
    the evidence in the loss, `part_weight` the share of the parts' own cross-entropy.
    """

    parts_per_photo: int = 8
    dropped: int = 1
    sharpness: float = 1.0
    part_weight: float = 0.5

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if not 0 <= self.dropped < self.parts_per_photo:
            raise ValueError(
                f"expected 0 <= dropped < parts_per_photo = {self.parts_per_photo}, got {self.dropped}"
            )


@dataclass(frozen=True, slots=True)
class TileRecipe(PartsRecipe):
    """Square tiles of a photo, anywhere: `tile` pixels are cropped, of which the network sees `side`."""

    photos_per_step: int = 16
    steps: int = 5000
    peak_rate: float = 6e-4
    relative: bool = True
    warmup: int = 100
    decay: float = 0.4
    weight_decay: float = 0.0
    largest_gradient: float = float("inf")
    averaging: float = 0.995
    bfloat16: bool = False
    held_out: int = 400
    dropped: int = 2
    sharpness: float = 2.0
    tile: int = 40
    side: int = 64


@dataclass(frozen=True, slots=True)
class BandRecipe(PartsRecipe):
    """Bands of `width` columns that wrap around the right edge, evenly spread but for up to `jitter` columns; a photo
    is mirrored at random and moved by up to `shift` pixels."""

    parts_per_photo: int = 4
    sharpness: float = 2.0
    width: int = 4
    jitter: int = 2
    shift: int = 4


@dataclass(frozen=True, slots=True)
class MapRecipe(Recipe):
    """A fully convolutional network on whole photos, mirrored at random and moved by up to `shift` pixels.

    `training_stride` is the distance of the local logits in training, whatever it is later, from a random corner:
    coarse maps see more photos in the same time. The label loses its best window of `window` x `window` locations
    and then the best one left, the other classes what they have in the first. `scale` multiplies the mean evidence;
    `clean_weight` is the share of the loss of all evidence, without any loss of windows.
    """

    training_stride: int = 3
    window: int = 3
    scale: float = 8.0
    clean_weight: float = 0.5
    shift: int = 4


@dataclass(frozen=True, slots=True)
class IntervalRecipe(Recipe):
    """A network with narrow intervals under patches of `patch` x `patch` pixels ([IBP], Chiang et al. 2020).

    Each shard of a step looks at `placements` random patches, the same for its photos, which are mirrored at random
    and moved by up to `shift` pixels. The pixels of the patch may leave theirs by a share that grows from 0 to 1 in
    the first `growth` steps; `share` is that of the worst patch in the loss, the rest is that of no patch.
    """

    steps: int = 12000
    peak_rate: float = 2e-3
    weight_decay: float = 0.0
    largest_gradient: float = 5.0
    averaging: float = 0.999
    bfloat16: bool = False
    shards: int = 1
    patch: int = 5
    placements: int = 4
    share: float = 0.75
    growth: int = 5000
    shift: int = 2

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if self.patch < 1 or self.placements < 1 or self.growth < 1 or not 0 <= self.share <= 1:
            raise ValueError(
                f"expected patch, placements and growth >= 1 and 0 <= share <= 1, got {self.patch}, "
                f"{self.placements}, {self.growth} and {self.share}"
            )

    def grown(self, step: int) -> float:
        """How far the pixels of the patch may leave theirs in a step, counted from 0."""
        return min(1.0, step / self.growth)

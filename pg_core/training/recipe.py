"""How a network is trained, as a value that a command line can show. Not here: torch, see `pg_core.training.loop`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """What all training has in common, with defaults for images of 32x32 pixels.

    Two runs with equal recipes, photos and machine end in equal weights.
    The rate rises for `warmup` steps, stays at `peak_rate`, and falls to 0 over the last part `decay` of the steps.
    A `relative` rate is in units of the root mean square of each tensor at the beginning (folded batch normalisation
    leaves some a hundred times larger than others). Large matrices follow their momentum made `orthogonal` (Muon,
    Jordan 2024), all other weights AdamW. `weight_decay` is of matrices alone; gradients are cut to a norm of
    `largest_gradient`. The result is the moving average of the weights. `shards` threads share a step.
    With a teacher `teacher_share` of what the loss wants is its answer, the rest the label.
    With `bfloat16` matrix products are rounded to it on a CPU too, as they always are on CUDA.
    """

    photos_per_step: int = 128
    steps: int = 6750
    peak_rate: float = 1.5e-3
    relative: bool = False
    orthogonal: bool = True
    warmup: int = 500
    decay: float = 0.6
    weight_decay: float = 0.05
    largest_gradient: float = 1.0
    averaging: float = 0.998
    bfloat16: bool = True
    held_out: int = 2000
    shards: int = 2
    seed: int = 0
    teacher_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.teacher_share <= 1:
            raise ValueError(f"expected 0 <= teacher_share <= 1, got {self.teacher_share}")
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

    `dropped` of a photo's parts do not count for the label, those with most evidence, which is their confidence to the
    `power` (3 for sharpened evidence); `sharpness` is the power of a photo's mean evidence in the loss, `part_weight`
    the share of the parts' own cross-entropy. For each photo what is cropped
    is up to `zoom` pixels smaller or larger, and its brightness, contrast and saturation change by factors of up to
    1 + `colour`: what the certificate counts on has to hold without either.
    """

    parts_per_photo: int = 8
    dropped: int = 1
    power: int = 1
    sharpness: float = 1.0
    part_weight: float = 0.5
    zoom: int = 0
    colour: float = 0.0

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if not 0 <= self.dropped < self.parts_per_photo:
            raise ValueError(
                f"expected 0 <= dropped < parts_per_photo = {self.parts_per_photo}, got {self.dropped}"
            )
        if not (0 <= self.zoom <= self.most_zoom and self.colour >= 0):
            raise ValueError(
                f"expected 0 <= zoom <= {self.most_zoom} and colour >= 0, got {self.zoom} and {self.colour}"
            )

    @property
    def most_zoom(self) -> int:
        """Above it nothing would be left, or there would not be enough around the photo."""
        return 0


@dataclass(frozen=True, slots=True)
class TileRecipe(PartsRecipe):
    """Square tiles of a photo, anywhere: `tile` pixels are cropped, of which the network sees `side`."""

    photos_per_step: int = 16
    steps: int = 5000
    peak_rate: float = 6e-4
    relative: bool = True
    orthogonal: bool = False
    warmup: int = 100
    decay: float = 0.4
    weight_decay: float = 0.0
    largest_gradient: float = float("inf")
    averaging: float = 0.995
    bfloat16: bool = False
    held_out: int = 400
    dropped: int = 2
    power: int = 3
    tile: int = 33
    side: int = 64

    @property
    def most_zoom(self) -> int:
        return self.tile - 1


@dataclass(frozen=True, slots=True)
class BandRecipe(PartsRecipe):
    """Bands of `width` columns that wrap around the right edge, evenly spread but for up to `jitter` columns; a photo
    is mirrored at random and moved by up to `shift` pixels."""

    parts_per_photo: int = 4
    sharpness: float = 2.0
    width: int = 4
    jitter: int = 2
    shift: int = 4

    @property
    def most_zoom(self) -> int:
        return 2 * self.shift


@dataclass(frozen=True, slots=True)
class MapRecipe(Recipe):
    """A fully convolutional network on whole photos, mirrored at random and moved by up to `shift` pixels.

    `training_stride` is the distance of the local logits in training, whatever it is later, from a random corner:
    coarse maps see more photos in the same time. The label loses its best window of `window` x `window` locations
    and then the best one left, the other classes what they have in the first. `scale` multiplies the mean evidence;
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


@dataclass(frozen=True, slots=True)
class WholeRecipe(Recipe):
    """A network that sees whole photos, mirrored at random, moved by up to `shift` pixels and grey in a square of
    `erased` x `erased` pixels, which may reach outside (DeVries and Taylor 2017)."""

    steps: int = 2600
    peak_rate: float = 2e-3
    warmup: int = 500
    decay: float = 0.8
    orthogonal: bool = False
    shift: int = 4
    erased: int = 8


@dataclass(frozen=True, slots=True)
class IntervalRecipe(Recipe):
    """A network whose intervals under patches of `patch` x `patch` pixels leave the label in front ([IBP], Chiang et
    al. 2020), on photos mirrored at random and moved by up to `shift` pixels.

    The adversary's reach grows from nothing to all of it in the first `growth` steps; `share` is that of the worst
    patch in the loss, the rest is that of no patch.
    """

    steps: int = 10000
    patch: int = 5
    share: float = 0.75
    growth: int = 2000
    shift: int = 4

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if self.patch < 1 or self.growth < 1 or not 0 <= self.share <= 1:
            raise ValueError(
                f"expected patch and growth >= 1 and 0 <= share <= 1, got {self.patch}, {self.growth} and "
                f"{self.share}"
            )

    def grown(self, step: int) -> float:
        """The adversary's reach in a step, counted from 0."""
        return min(1.0, step / self.growth)

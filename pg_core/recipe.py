"""How a network is trained, as a value. It leaves out torch, so that a command line can show it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a tile network is trained; two runs with equal recipes, photos and machine end in equal weights.

    tile and side are in pixels: what is cropped, and what the network sees of it. `dropped` of a photo's
    `tiles_per_photo` do not count for the label, those with most evidence; `sharpness` is the power of the
    evidence in the loss, `tile_weight` the share of the tiles' own cross-entropy. The rate is relative to the
    root mean square of each tensor at the beginning (folded batch normalisation leaves some a hundred times
    larger than others); it rises for `warmup` steps, stays, and falls to 0 over the last part `decay` of the
    steps. The result is the moving average of the weights. `shards` threads share a step.
    """

    tile: int = 32
    side: int = 64
    photos_per_step: int = 16
    tiles_per_photo: int = 8
    dropped: int = 1
    sharpness: float = 1.0
    tile_weight: float = 0.5
    steps: int = 5000
    peak_rate: float = 3e-3
    warmup: int = 100
    decay: float = 0.4
    averaging: float = 0.995
    held_out: int = 400
    shards: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.dropped < self.tiles_per_photo:
            raise ValueError(
                f"expected 0 <= dropped < tiles_per_photo = {self.tiles_per_photo}, got {self.dropped}"
            )
        if self.steps < 1 or self.photos_per_step % self.shards:
            raise ValueError(
                f"expected steps >= 1 and photos_per_step a multiple of {self.shards} shards, "
                f"got {self.steps} and {self.photos_per_step}"
            )

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        falling = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.peak_rate * min(1.0, (step + 1) / self.warmup, falling)

"""Training of tile networks for provable robustness, after [PG] appendix A, on what the certificate sums up.

A step looks at a few random tiles of each of a few photos. The label's evidence has to win without its best
tiles, as it has to survive the masks. It leaves out whole-map training of other architectures, for which
`provable_loss` is the published objective.
"""

import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from pg_core.datasets import LabelledPhoto
from pg_core.geometry import Size
from pg_core.images import read, to_pixels
from pg_core.models.efficientnet import EfficientNetLite0, fold_batch_norm, pretrained
from pg_core.models.network import CheckpointError, State, choose_device, load_state
from pg_core.progress import Pace, Report
from pg_core.recipe import Recipe

_LEAST = 1e-4
"""Added to mean evidence before the logarithm, so that no evidence at all has a finite loss."""
_LEAST_SCALE = 1e-3
"""Of a tensor of weights: one that begins at 0 has to move too."""
_SECONDS_BETWEEN_CHECKPOINTS = 120.0


_UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, OSError, LookupError, ValueError, TypeError)
"""What `torch.load` and the content of a file of another kind raise."""


def masked_loss(
    tile_logits: Float[Tensor, "photos tiles classes"],
    labels: Int[Tensor, "photos"],
    dropped: int,
    sharpness: float,
    tile_weight: float,
) -> Float[Tensor, ""]:
    """Cross-entropy of the photos' evidence, the label without its `dropped` best tiles, plus tile_weight
    times that of the tiles.

    The evidence of a class is its mean confidence; its share in the loss is that to the power `sharpness`.
    The label loses as in the lower bound of section 5, the other classes nothing, as in the upper bound.
    """
    photos, tiles, _ = tile_logits.shape
    logarithms = tile_logits.log_softmax(dim=-1)
    confidence = logarithms.exp()
    own = confidence.gather(2, labels[:, None, None].expand(photos, tiles, 1))[..., 0]
    kept = own.sum(dim=1) - own.topk(dropped, dim=1).values.sum(dim=1)
    evidence = confidence.sum(dim=1).scatter(1, labels[:, None], kept[:, None]) / tiles
    of_photos = F.cross_entropy(sharpness * (evidence + _LEAST).log(), labels)
    of_tiles = F.nll_loss(logarithms.flatten(0, 1), labels.repeat_interleave(tiles))
    return of_photos + tile_weight * of_tiles


def provable_loss(
    local_logits: Float[Tensor, "batch classes rows columns"],
    labels: Int[Tensor, "batch"],
    window_size: Size,
) -> Float[Tensor, ""]:
    """The published objective ([PG] appendix A): clip local logits at 0, take the label's largest window from
    its total, divide by the number of locations; cross-entropy."""
    evidence = local_logits.clamp(min=0)
    rows, columns = evidence.shape[-2:]
    height, width = min(window_size[0], rows), min(window_size[1], columns)
    own = evidence.gather(1, labels[:, None, None, None].expand(-1, 1, rows, columns))
    largest = F.avg_pool2d(own, (height, width), stride=1).amax(dim=(2, 3)) * (height * width)
    totals = evidence.sum(dim=(2, 3))
    return F.cross_entropy(totals.scatter_add(1, labels[:, None], -largest) / (rows * columns), labels)


def tile_classifier(classes: tuple[int, ...], frozen_blocks: int = 3) -> EfficientNetLite0:
    """Where training begins: the pretrained EfficientNet-Lite0 with batch normalisation folded and a head for
    some of ImageNet's classes; its first layers, whose backward pass costs most, stay as they are."""
    network = pretrained()
    head = nn.Linear(network._fc.in_features, len(classes))
    with torch.no_grad():
        head.weight.copy_(network._fc.weight[list(classes)])
        head.bias.copy_(network._fc.bias[list(classes)])
    network._fc = head
    fold_batch_norm(network)
    for part in (network._conv_stem, *network._blocks[:frozen_blocks]):
        part.requires_grad_(False)
    return network


def split(
    photos: tuple[LabelledPhoto, ...], held_out: int
) -> tuple[tuple[LabelledPhoto, ...], tuple[LabelledPhoto, ...]]:
    """The photos to train on, and those to choose between networks with: `held_out` photos drawn once for
    all from the *training* photos, whatever the seed of the recipe."""
    if not 0 <= held_out < len(photos):
        raise ValueError(f"expected 0 <= held_out < {len(photos)} photos, got {held_out}")
    order = np.random.default_rng(12345).permutation(len(photos))
    by_name = sorted(photos, key=lambda photo: photo.name)
    chosen = [by_name[index] for index in order]
    return tuple(chosen[held_out:]), tuple(chosen[:held_out])


def train(
    base: nn.Module,
    photos: tuple[LabelledPhoto, ...],
    image_size: Size,
    recipe: Recipe,
    checkpoint: str | Path,
    report: Report | None = None,
    last_step: int | None = None,
) -> nn.Module:
    """Train a network that classifies tiles, [-1, 1] in, logits out, but for its weights without a gradient;
    its averaged weights.

    Photos held out by the recipe are not looked at. The checkpoint is written every two minutes and at the
    end; where it exists, training goes on from it, to the same result. `last_step` stops before the end.
    Raises CheckpointError for a checkpoint that does not fit, ValueError for one of another recipe.
    """
    path = Path(checkpoint)
    device = choose_device()
    state = _State(base.to(device).to(memory_format=torch.channels_last), recipe)
    if path.exists():
        state.load(path)
    chosen, _ = split(photos, recipe.held_out)
    last = recipe.steps if last_step is None else min(last_step, recipe.steps)
    pace = Pace(last, state.step)
    replicas = state.replicas()
    threads = torch.get_num_threads()
    saved = pace.began

    def work(shard: int) -> float:
        torch.set_num_threads(1)
        tiles, labels = _tiles(chosen, image_size, recipe, state.step, shard)
        return _backward(replicas[shard], tiles.to(device), labels.to(device), recipe)

    try:
        with ThreadPoolExecutor(recipe.shards) as pool:
            while state.step < last:
                losses = list(pool.map(work, range(recipe.shards)))
                state.update(replicas)
                now = time.monotonic()
                if now - saved > _SECONDS_BETWEEN_CHECKPOINTS or state.step == last:
                    state.save(path)
                    saved = now
                if report is not None:
                    report(pace.progress(state.step, f"loss {sum(losses) / len(losses):.3f}"))
    finally:
        torch.set_num_threads(threads)
    return state.averaged()


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A training run up to some step."""

    recipe: Recipe
    step: int
    network: State
    optimiser: dict[str, Any]
    average: State


def read_checkpoint(path: str | Path) -> Checkpoint:
    """The content of a checkpoint; tensors, numbers and words only, so no code in a hostile file is run.

    Raises CheckpointError for a file of another kind.
    """
    path = Path(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        recipe = Recipe(**json.loads(content["recipe"]))
        return Checkpoint(
            recipe, int(content["step"]), content["network"], content["optimiser"], content["average"]
        )
    except FileNotFoundError:
        raise CheckpointError(f"{path.name}: no such file") from None
    except _UNREADABLE as error:
        raise CheckpointError(f"{path.name}: not a checkpoint of this training") from error


def _tiles(
    photos: tuple[LabelledPhoto, ...], image_size: Size, recipe: Recipe, step: int, shard: int
) -> tuple[Float[Tensor, "tiles 3 side side"], Int[Tensor, "photos"]]:
    """A shard's tiles of a step, photo by photo, in [-1, 1]; each photo as it is or mirrored."""
    epoch, place = divmod(step, max(1, len(photos) // recipe.photos_per_step))
    order = np.random.default_rng([recipe.seed, epoch]).permutation(len(photos))
    share = recipe.photos_per_step // recipe.shards
    first = place * recipe.photos_per_step + shard * share
    generator = np.random.default_rng([recipe.seed, 1, step, shard])
    tiles = []
    chosen = [photos[index] for index in order[first : first + share]]
    for photo in chosen:
        pixels = to_pixels(read(photo.path), image_size)
        if generator.random() < 0.5:
            pixels = pixels[..., ::-1]
        corners = generator.integers(
            0, np.array(image_size) - recipe.tile + 1, (recipe.tiles_per_photo, 2)
        ).tolist()
        tiles += [pixels[:, top : top + recipe.tile, left : left + recipe.tile] for top, left in corners]
    batch = torch.from_numpy(np.stack(tiles)).mul_(2).sub_(1)
    if recipe.side != recipe.tile:
        batch = F.interpolate(batch, (recipe.side, recipe.side), mode="bilinear", align_corners=False)
    labels = torch.tensor([photo.label for photo in chosen])
    return batch.contiguous(memory_format=torch.channels_last), labels


def _backward(
    network: nn.Module,
    tiles: Float[Tensor, "tiles 3 side side"],
    labels: Int[Tensor, "photos"],
    recipe: Recipe,
) -> float:
    """Leave the gradient of a shard's loss in the network; the loss. In bfloat16 on CUDA."""
    with torch.autocast(tiles.device.type, torch.bfloat16, enabled=tiles.device.type == "cuda"):
        logits = network(tiles)
    logits = logits.float().unflatten(0, (len(labels), -1))
    loss = masked_loss(logits, labels, recipe.dropped, recipe.sharpness, recipe.tile_weight)
    torch.autograd.backward(loss)
    return loss.item()


def _continues(recipe: Recipe, earlier: Recipe, step: int) -> bool:
    """Whether a run of `recipe` would have been where one of the `earlier` recipe was after `step` steps."""
    if recipe == earlier:
        return True
    constant = all(step <= (1 - each.decay) * each.steps for each in (recipe, earlier))
    return constant and replace(earlier, steps=recipe.steps, decay=recipe.decay) == recipe


def _scale(weights: Tensor) -> float:
    return max(_LEAST_SCALE, float(weights.detach().square().mean().sqrt()))


class _State:
    """All that changes from step to step, and what is in a checkpoint. Random numbers come from the seed and
    the step alone, so there is no generator whose state could be lost."""

    def __init__(self, network: nn.Module, recipe: Recipe) -> None:
        self.network = network.train()
        self.recipe = recipe
        self.step = 0
        self.trained = [own for own in network.parameters() if own.requires_grad]
        groups = [{"params": [own], "scale": _scale(own)} for own in self.trained]
        self.optimiser = torch.optim.AdamW(groups, lr=0.0, weight_decay=0.0)
        self.average = {key: value.detach().clone() for key, value in network.state_dict().items()}

    def replicas(self) -> list[nn.Module]:
        """The network once for each shard: the same weights in memory, gradients of their own."""
        replicas = [self.network, *(deepcopy(self.network) for _ in range(self.recipe.shards - 1))]
        for replica in replicas[1:]:
            for own, shared in zip(replica.parameters(), self.network.parameters(), strict=True):
                own.data = shared.data
        return replicas

    def update(self, replicas: list[nn.Module]) -> None:
        """One step along the mean gradient of the shards, summed in their order."""
        for same in zip(*(replica.parameters() for replica in replicas), strict=True):
            gradients = [own.grad for own in same if own.grad is not None]
            if gradients:
                same[0].grad = torch.stack(gradients).mean(dim=0)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.step) * group["scale"]
        self.optimiser.step()
        for replica in replicas:
            replica.zero_grad(set_to_none=True)
        # A short memory at first, or the average would be of the untrained network.
        memory = min(self.recipe.averaging, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for key, value in self.network.state_dict().items():
                self.average[key].lerp_(value, 1 - memory)
        self.step += 1

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        new = path.with_name(path.name + ".new")
        content = {
            "recipe": json.dumps(asdict(self.recipe)),
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
        }
        torch.save(content, new)
        new.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same recipe. As the rate is constant until its last part, `steps`
        may have become more while that had not begun."""
        content = read_checkpoint(path)
        if not _continues(self.recipe, content.recipe, content.step):
            raise ValueError(f"{path.name}: trained with another recipe, {content.recipe}")
        load_state(self.network, content.network, path.name)
        self.optimiser.load_state_dict(content.optimiser)
        self.average = dict(content.average)
        self.step = content.step

    def averaged(self) -> nn.Module:
        """The network with the moving average of its weights, as it is to be used."""
        network = deepcopy(self.network)
        network.load_state_dict(self.average)
        return network.eval().requires_grad_(False)

"""Training for provable robustness, after [PG] appendix A (theory §8): losses of the sums that the certificate bounds.

The batch and the loss of each network are in `pg_core.training.studies`, the state of a run that was stopped in
`pg_core.training.checkpoints`.
"""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from pg_core.datasets.folders import LabelledPhoto
from pg_core.geometry import Size
from pg_core.io import files
from pg_core.io.interrupts import put_off
from pg_core.io.progress import Pace, Report
from pg_core.networks import CIFAR10
from pg_core.networks.bodies.architectures import Architecture
from pg_core.networks.network import choose_device, load_state
from pg_core.networks.shipped import Card, read_weights
from pg_core.training.batches import batch
from pg_core.training.checkpoints import (
    ANEW,
    Checkpoint,
    Origin,
    origin_of,
    read_checkpoint,
    write_checkpoint,
)
from pg_core.training.recipe import Recipe, Targets
from pg_core.training.teacher import taught, taught_tiles

_LEAST_SCALE = 1e-3
"""Of a tensor of weights: one that begins at 0 has to move too."""
_SECONDS_BETWEEN_CHECKPOINTS = 120.0
_LEAST_SIDE = 64
"""Rows and columns of a matrix that Muon moves: not what a few colours come in by, nor a few classes leave by."""


def starting_point(
    network: Architecture, recipe: Recipe, start: Card | None = None, classes: int = len(CIFAR10)
) -> nn.Module:
    """Where training begins: with the weights of a card, or as the recipe says. Raises CheckpointError for weights of
    another network."""
    base = recipe.begin(network, classes)
    if start is not None:
        load_state(base, read_weights(start), start.weights.name)
    return base


def split(
    photos: tuple[LabelledPhoto, ...], held_out: int
) -> tuple[tuple[LabelledPhoto, ...], tuple[LabelledPhoto, ...]]:
    """The photos to train on, and those held out to choose between networks: `held_out` photos drawn once for all from
    the *training* photos, whatever the seed of the recipe. Raises ValueError for a number outside [0, photos)."""
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
    teacher: nn.Module | None = None,
) -> nn.Module:
    """Train the weights of a network that require a gradient, and return it with the moving average of its weights. It
    takes pixels in [-1, 1] and gives logits of parts or maps of local logits.

    Photos held out by the recipe are not used. The checkpoint is written every two minutes, at the end and at an
    interrupt, which waits for the end of a step; where it exists, training goes on from it, to the same result.
    `last_step` stops before the end. A `teacher`, from photos in [-1, 1] to logits, runs once on each photo before the
    first step; one for tiles runs on the tiles of each batch. Raises CheckpointError for a checkpoint that does not
    fit, ValueError for one of another recipe or `Origin`, FileError if it cannot be written; the text of a
    KeyboardInterrupt says which step is kept.
    """
    path = Path(checkpoint)
    chosen, _ = split(photos, recipe.held_out)
    origin = origin_of(photos, base, teacher, image_size, report)
    device = choose_device()
    state = _State(base.to(device).to(memory_format=torch.channels_last), recipe, origin)
    files.check_regular(path)
    if path.exists():
        state.load(path)
    kept = state.step
    labels = torch.tensor([photo.label for photo in chosen], device=device)
    targets, tutor = labels, None
    if teacher is not None:
        teacher = teacher.to(device).to(memory_format=torch.channels_last).eval()
        if recipe.teaches_parts:
            tutor = teacher
        else:
            targets = taught(teacher, chosen, image_size, recipe.teacher_share, report)
    last = recipe.steps if last_step is None else min(last_step, recipe.steps)
    pace = Pace(last, state.step)
    replicas = state.replicas()
    threads = torch.get_num_threads()
    saved = pace.began

    def work(shard: int) -> float:
        torch.set_num_threads(1)
        inputs, which = batch(chosen, image_size, recipe, state.step, shard)
        moved, which = tuple(values.to(device) for values in inputs), which.to(device)
        of_tiles = None
        if tutor is not None:
            of_tiles = taught_tiles(tutor, moved[0], labels[which], recipe.teacher_share)
        return _backward(replicas[shard], moved, labels[which], targets[which], of_tiles, recipe)

    try:
        with put_off() as interrupted, ThreadPoolExecutor(recipe.shards) as pool:
            while state.step < last and not interrupted():
                losses = list(pool.map(work, range(recipe.shards)))
                state.update(replicas)
                now = time.monotonic()
                if now - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                    state.save(path)
                    saved, kept = now, state.step
                if report is not None:
                    report(pace.progress(state.step, f"loss {sum(losses) / len(losses):.3f}"))
            if state.step > kept:
                state.save(path)
                kept = state.step
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"step {kept} of {last} is kept in {path}" if kept else "") from None
    finally:
        torch.set_num_threads(threads)
    return state.averaged()


def _backward(
    network: nn.Module,
    inputs: tuple[Tensor, ...],
    labels: Int[Tensor, "photos"],
    targets: Targets,
    part_targets: Float[Tensor, "parts classes"] | None,
    recipe: Recipe,
) -> float:
    """Leave the gradient of a shard's loss in the network; the loss."""
    device = labels.device.type
    with torch.autocast(device, torch.bfloat16, enabled=recipe.bfloat16 or device == "cuda"):
        logits = network(*inputs)
    loss = recipe.loss(logits.float(), labels, targets, part_targets)
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


def _optimisers(trained: list[nn.Parameter], recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for large matrices where the recipe wants it, AdamW for the rest; each group with the `scale` of its
    rate."""
    large = [own for own in trained if recipe.orthogonal and own.ndim == 2 and min(own.shape) >= _LEAST_SIDE]
    others = [own for own in trained if not any(own is matrix for matrix in large)]
    groups = [
        {
            "params": [own],
            "scale": _scale(own) if recipe.relative else 1.0,
            "weight_decay": recipe.weight_decay if own.ndim > 1 else 0.0,
        }
        for own in others
    ]
    optimisers: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=0.0)]
    if large:
        # Its steps are as long as AdamW's, so that one rate does for both.
        optimisers.append(
            torch.optim.Muon(
                [{"params": large, "scale": 1.0}],
                lr=0.0,
                weight_decay=recipe.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    return optimisers


class _State:
    """All that changes from step to step, and what is in a checkpoint. Random numbers come from the seed and
    the step alone, so there is no generator whose state could be lost."""

    def __init__(self, network: nn.Module, recipe: Recipe, origin: Origin) -> None:
        self.network = network.train()
        self.recipe = recipe
        self.origin = origin
        self.step = 0
        self.trained = [own for own in network.parameters() if own.requires_grad]
        self.optimisers = _optimisers(self.trained, recipe)
        self.average = AveragedModel(network, avg_fn=self._moving_average, use_buffers=True)
        # Its first update would forget what training begins with, as if nothing had been averaged yet.
        self.average.n_averaged.fill_(1)

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
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.recipe.rate(self.step) * group["scale"]
        if math.isfinite(self.recipe.largest_gradient):
            nn.utils.clip_grad_norm_(self.trained, self.recipe.largest_gradient)
        for optimiser in self.optimisers:
            optimiser.step()
        for replica in replicas:
            replica.zero_grad(set_to_none=True)
        self.average.update_parameters(self.network)
        self.step += 1

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        optimisers = [optimiser.state_dict() for optimiser in self.optimisers]
        network, average = self.network.state_dict(), self.average.module.state_dict()
        write_checkpoint(path, Checkpoint(self.recipe, self.origin, self.step, network, optimisers, average))

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same recipe and origin. As the rate is constant until its last part, `steps`
        may have become more while that had not begun."""
        content = read_checkpoint(path)
        if not _continues(self.recipe, content.recipe, content.step):
            raise ValueError(f"{path.name}: trained with another recipe, {content.recipe}; {ANEW}")
        content.origin.check(self.origin, path.name)
        load_state(self.network, content.network, path.name)
        for optimiser, state in zip(self.optimisers, content.optimisers, strict=True):
            optimiser.load_state_dict(state)
        load_state(self.average.module, content.average, path.name)
        self.step = content.step

    def averaged(self) -> nn.Module:
        """The network with the moving average of its weights, as it is to be used."""
        return deepcopy(self.average.module).eval().requires_grad_(False)

    def _moving_average(self, average: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        """The average after a step. Torch's own, of one memory, would be of the untrained network at first; and it
        would round counters."""
        memory = min(self.recipe.averaging, (self.step + 1) / (self.step + 10))
        return average.lerp(current, 1 - memory) if average.is_floating_point() else average

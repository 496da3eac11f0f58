"""The losses that an attack descends: how far each defence is from predicting another class, as a differentiable
function (theory §12).

An objective is adaptive, made for one defence, and only a guide: whether an attack has succeeded is decided by the
defence itself, on pixels of 8 bits, see `pg_core.attacks.pixels`.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from pg_core.defences import bounded
from pg_core.defences.base import Defence
from pg_core.defences.bounded import BoundedEvidence, Squashing
from pg_core.defences.detection import MaskedDetection
from pg_core.defences.interval.bounds import IntervalBounds
from pg_core.defences.patchcleanser.features import FeatureMasking
from pg_core.defences.patchcleanser.head import HeadMasking
from pg_core.defences.patchcleanser.pixels import PatchCleanser
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.smoothing import Smoothing
from pg_core.defences.undefended import Undefended
from pg_core.evidence.grid import scale
from pg_core.evidence.head import LEAST, POWERS
from pg_core.evidence.types import SHARPENED_POWER, VOTE_THRESHOLD, EvidenceType
from pg_core.geometry import Windows

Maps = Float[Tensor, "batch classes rows columns"]
"""Local logits of several images."""
Objective = Callable[[Maps], Float[Tensor, "batch"]]
"""The loss of each image; smaller is nearer to success."""

LEAK = 0.05
"""Slope of clipped evidence beyond its range, where its own is 0 and would lead nowhere."""
SOFTNESS = 0.05
"""Of a vote: the confidence above the threshold at which a relaxed vote is 0.73."""
_HEAD_MARGIN = 0.05
"""How far beyond a tie a hinge pushes the scores of a head, which are logarithms."""
_CHALLENGED = 4
"""Masks of the label whose second round an attack on double masking works against, the strongest first."""


def objective(
    defence: Defence,
    label: int,
    targets: Int[Tensor, "images"],
    undetected: Bool[Tensor, "images"] | None = None,
) -> Objective:
    """How far the defence is from predicting the target of each image instead of the label, both indices of classes.

    Where an image is `undetected`, robust masking with T > 0 is to detect no window of the target, which then keeps
    all its evidence; elsewhere (everywhere by default) it may. Raises ValueError for a defence that no objective is
    known for.
    """
    if isinstance(defence, RobustMasking):
        kept = torch.zeros_like(targets, dtype=torch.bool) if undetected is None else undetected
        return lambda maps: _robust_masking(maps, defence, label, targets, kept)
    if isinstance(defence, FeatureMasking):
        return lambda maps: _double_masking(maps, defence, label, targets)
    if isinstance(defence, HeadMasking):
        return lambda maps: _head_masking(maps, defence, label, targets)
    if isinstance(defence, MaskedDetection):
        return lambda maps: _detection(maps, defence, label, targets)
    if isinstance(defence, BoundedEvidence):
        return lambda maps: _lead(_squashed(maps, defence).mean(dim=(-2, -1)), label, targets)
    if isinstance(defence, Smoothing):
        return lambda maps: _lead(_bands(maps, defence), label, targets)
    if isinstance(defence, Undefended | IntervalBounds):
        return lambda maps: _lead(maps.mean(dim=(-2, -1)), label, targets)
    if isinstance(defence, PatchCleanser):
        return lambda maps: _majority(maps, label, targets)
    raise ValueError(f"no attack is known on {defence}")


def _relaxed(local_logits: Maps, evidence: EvidenceType, clip_high: float) -> Maps:
    """Clipped evidence with a slope everywhere. Raises ValueError for a type of evidence that is not known here."""
    rows, columns = local_logits.shape[-2:]
    top, _ = scale((rows, columns), evidence, clip_high)
    if evidence == EvidenceType.LOGITS:
        inside = local_logits.clamp(0.0, top)
        return inside + LEAK * (local_logits - inside)
    confidence = local_logits.softmax(dim=-3)
    if evidence == EvidenceType.CONFIDENCE:
        return confidence.clamp(max=top)
    if evidence == EvidenceType.SHARPENED:
        return (confidence**SHARPENED_POWER).clamp(max=top)
    if evidence == EvidenceType.PREDICTION:
        return top * _vote(confidence, VOTE_THRESHOLD)
    raise ValueError(f"no attack is known on evidence of the type {evidence}")


def window_sums(
    values: Float[Tensor, "*batch rows columns"], windows: Windows
) -> Float[Tensor, "*batch window_rows window_columns"]:
    """SUM(w ⊙ values) for each window w of W."""
    height, width = windows.window_size
    if windows.wrapping:
        values = torch.cat([values, values[..., : width - 1]], dim=-1)
    flat = values.reshape(-1, 1, *values.shape[-2:])
    sums = functional.avg_pool2d(flat, (height, width), stride=1, divisor_override=1)
    return sums.reshape(*values.shape[:-2], *sums.shape[-2:])


def _robust_masking(
    maps: Maps,
    defence: RobustMasking,
    label: int,
    targets: Int[Tensor, "batch"],
    undetected: Bool[Tensor, "batch"],
) -> Float[Tensor, "batch"]:
    """The lead of the label's score. At T > 0 the target's largest window is kept just below T where it is to stay
    undetected, so that nothing is taken from it."""
    evidence = _relaxed(maps, defence.evidence, defence.clip_high)
    total = evidence.sum(dim=(-2, -1))
    largest = window_sums(evidence, _windows(maps, defence)).amax(dim=(-2, -1))
    detected = largest > defence.threshold * total
    scores = total - torch.where(detected, largest, torch.zeros_like(largest))
    lead = _lead(scores, label, targets)
    if defence.threshold == 0:
        return lead
    at = torch.arange(len(maps), device=maps.device)
    over = (largest - defence.threshold * total)[at, targets].clamp(min=0)
    kept = scores[:, label] - total[at, targets]
    return torch.where(undetected, kept + over / (1 - defence.threshold), lead)


def _double_masking(
    maps: Maps, defence: FeatureMasking, label: int, targets: Int[Tensor, "batch"]
) -> Float[Tensor, "batch"]:
    """The mean hinge over all masks makes the target the majority; that over the best second mask of those that still
    say the label keeps these from standing."""
    evidence = _relaxed(maps, defence.evidence, defence.clip_high)
    at = torch.arange(len(maps), device=maps.device)
    leads = evidence[:, label] - evidence[at, targets]
    windows = _windows(maps, defence)
    sums = window_sums(leads, windows)
    first = leads.sum(dim=(-2, -1))[:, None, None] - sums
    majority = (first + _margin(leads)[:, None, None]).clamp(min=0).mean(dim=(-2, -1))
    strongest = first.flatten(1).topk(min(_CHALLENGED, first[0].numel()), dim=1)
    columns = first.shape[-1]
    standing = torch.zeros_like(majority)
    for lead, index in zip(strongest.values.T, strongest.indices.T, strict=True):
        rest = _without(leads, index // columns, index % columns, windows)
        second = rest.sum(dim=(-2, -1)) - window_sums(rest, windows).amax(dim=(-2, -1))
        standing = standing + torch.where(lead > 0, (second + _margin(leads)).clamp(min=0), 0.0 * second)
    return majority + standing / _CHALLENGED


def _head_masking(
    maps: Maps, defence: HeadMasking, label: int, targets: Int[Tensor, "batch"]
) -> Float[Tensor, "batch"]:
    """The same with the head's scores in place of sums."""
    confidence = maps.softmax(dim=-3)
    values = torch.cat([confidence**power for power in POWERS], dim=1)
    windows = _windows(maps, defence)
    weights, biases = (
        torch.tensor(each, dtype=maps.dtype, device=maps.device)
        for each in (defence.head.weights, defence.head.biases)
    )
    apart = weights[label] - weights[targets]
    offset = biases[label] - biases[targets]

    def leads(kept: Float[Tensor, "batch values rows columns"]) -> Float[Tensor, "batch windows"]:
        """Of the label over the target in what is left outside each window."""
        outside = kept.sum(dim=(-2, -1))[..., None, None] - window_sums(kept, windows)
        logs = (outside.clamp(min=0) / (maps.shape[-2] * maps.shape[-1]) + LEAST).log()
        return torch.einsum("bv,bvrc->brc", apart, logs).flatten(1) + offset[:, None]

    first = leads(values)
    majority = (first + _HEAD_MARGIN).clamp(min=0).mean(dim=1)
    strongest = first.topk(min(_CHALLENGED, first.shape[1]), dim=1)
    columns = windows.shape[1]
    standing = torch.zeros_like(majority)
    for lead, index in zip(strongest.values.T, strongest.indices.T, strict=True):
        rest = _without(values, index // columns, index % columns, windows)
        second = leads(rest).amin(dim=1)
        standing = standing + torch.where(lead > 0, (second + _HEAD_MARGIN).clamp(min=0), 0.0 * second)
    return majority + standing / _CHALLENGED


def _windows(maps: Maps, defence: RobustMasking | FeatureMasking | HeadMasking | MaskedDetection) -> Windows:
    rows, columns = maps.shape[-2:]
    return Windows((rows, columns), defence.window_size, defence.wrapping)


def _without(
    values: Float[Tensor, "batch *values rows columns"],
    top: Int[Tensor, "batch"],
    left: Int[Tensor, "batch"],
    windows: Windows,
) -> Float[Tensor, "batch *values rows columns"]:
    """The map, or maps, without one window, another one for each image."""
    (rows, columns), (height, width) = windows.map_size, windows.window_size
    down = torch.arange(rows, device=values.device) - top[:, None]
    across = torch.arange(columns, device=values.device) - left[:, None]
    if windows.wrapping:
        across = across % columns
    inside = ((down >= 0) & (down < height))[:, :, None] & ((across >= 0) & (across < width))[:, None, :]
    return values.masked_fill(inside if values.ndim == 3 else inside[:, None], 0.0)


def _detection(
    maps: Maps, defence: MaskedDetection, label: int, targets: Int[Tensor, "batch"]
) -> Float[Tensor, "batch"]:
    """Another class on the whole map, and no masked prediction that contradicts it with confidence above τ."""
    cells = maps.shape[-2] * maps.shape[-1]
    total = maps.sum(dim=(-2, -1))
    outside = (total[..., None, None] - window_sums(maps, _windows(maps, defence))) / cells
    whole = _lead(total / cells, label, targets)
    at = torch.arange(len(maps), device=maps.device)
    others = outside.clone()
    others[at, targets] = -math.inf
    against = others.amax(dim=1) - outside[at, targets]
    confidence = outside.amax(dim=1) - outside.logsumexp(dim=1)
    floor = math.log(max(defence.alert_threshold, 1e-6))
    alarm = torch.minimum(against, confidence - floor)
    return whole + alarm.clamp(min=0).mean(dim=(-2, -1)) + alarm.amax(dim=(-2, -1)).clamp(min=0)


def _majority(maps: Maps, label: int, targets: Int[Tensor, "images"]) -> Float[Tensor, "batch"]:
    """Of the image under each single mask that leaves something of the patch, all masks of an image in a row: a hinge
    that makes the target its class. No mask that hides the patch stands for the label where nothing is certified, so
    the majority decides."""
    means = maps.mean(dim=(-2, -1))
    leads = _lead(means, label, targets.repeat_interleave(len(maps) // len(targets)))
    return (leads + 1e-2 * means.abs().amax(dim=-1).detach()).clamp(min=0)


def _squashed(maps: Maps, defence: BoundedEvidence) -> Maps:
    if defence.squashing is Squashing.TANH:
        return torch.tanh(bounded.SLOPE * maps + bounded.SHIFT)
    return _relaxed(maps, defence.evidence, defence.clip_high)


def _bands(maps: Maps, defence: Smoothing) -> Float[Tensor, "batch classes"]:
    return _vote(maps.softmax(dim=-3), defence.vote_threshold).sum(dim=(-2, -1))


def _vote(confidence: Maps, threshold: float) -> Maps:
    return torch.sigmoid((confidence - threshold) / SOFTNESS)


def _margin(leads: Float[Tensor, "batch rows columns"]) -> Float[Tensor, "batch"]:
    """How far beyond a tie a hinge pushes: a little of what is at stake."""
    return 1e-3 * leads.abs().sum(dim=(-2, -1))


def _lead(
    scores: Float[Tensor, "batch classes"], label: int, targets: Int[Tensor, "batch"]
) -> Float[Tensor, "batch"]:
    return scores[:, label] - scores.gather(1, targets[:, None])[:, 0]

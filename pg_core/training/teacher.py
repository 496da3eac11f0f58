"""Knowledge distillation (Hinton et al. 2015): the targets that a teacher gives, for whole photos or for tiles.

A network that sees small parts overfits the training photos early; the probabilities of a teacher tell it more than
the label, also about parts in which the class cannot be seen.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from pg_core.datasets.folders import LabelledPhoto
from pg_core.geometry import Size
from pg_core.io.progress import Pace, Report
from pg_core.training.batches import pixels_of, signed

_PHOTOS_AT_ONCE = 250


@torch.no_grad()
def taught_tiles(
    teacher: nn.Module, tiles: Float[Tensor, "tiles 3 side side"], labels: Int[Tensor, "photos"], share: float
) -> Float[Tensor, "tiles classes"]:
    """The targets of a batch's tiles, photo by photo: the teacher's probabilities for the tile, weighted by `share`,
    and the label of its photo, weighted by the rest."""
    probabilities = teacher(tiles).softmax(dim=1)
    of_photo = F.one_hot(labels, probabilities.shape[1]).to(probabilities.dtype)
    return of_photo.repeat_interleave(len(tiles) // len(labels), dim=0).lerp(probabilities, share)


@torch.inference_mode()
def taught(
    teacher: nn.Module,
    photos: tuple[LabelledPhoto, ...],
    image_size: Size,
    share: float,
    report: Report | None = None,
) -> Float[Tensor, "photos classes"]:
    """The targets of photos: the teacher's probabilities, from the mean of its logits for a photo and its mirror
    image, weighted by `share` in [0, 1], and the label, weighted by the rest."""
    device = next(teacher.parameters()).device
    targets, pace = [], Pace(len(photos))
    for first in range(0, len(photos), _PHOTOS_AT_ONCE):
        some = photos[first : first + _PHOTOS_AT_ONCE]
        images = signed(np.stack([pixels_of(photo.path, image_size) for photo in some])).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            logits = (teacher(images).float() + teacher(images.flip(-1)).float()) / 2
        labels = torch.tensor([photo.label for photo in some], device=device)
        targets.append(F.one_hot(labels, logits.shape[1]).float().lerp(logits.softmax(dim=1), share))
        if report is not None:
            report(pace.progress(first + len(some), "photos shown to the teacher"))
    return torch.cat(targets)

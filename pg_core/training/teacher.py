"""What a teacher says of what another network is trained on: of whole photos, or of the very same tiles.

A network of small parts learns the training photos by heart long before it has understood them all. What another one
thinks tells it more than the label does, and where there is nothing to be learnt (knowledge distillation, Hinton et
al. 2015).
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
    """What training wants of a batch's tiles, photo by photo: `share` of the teacher's probabilities for the tile, and
    the rest for the label of its photo."""
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
    """What training wants: `share` of the teacher's probabilities, its logits the mean of those for a photo and its
    mirror image, and the rest for the label."""
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

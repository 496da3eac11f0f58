"""What a certificate of windows, or of placements of a patch, proves for a patch of any size at any place (theory §7).

All that a patch changes lies in every position that contains its footprint, so that the certificate of each of these
positions holds for it; the one with the largest margin above its tolerance counts. Robust masking has bounds for
footprints of other sizes than its windows, which prove more: see `pg_core.defences.patchguard.placements`.
"""

import numpy as np
from jaxtyping import Bool, Int

from pg_core.defences.base import Certificate
from pg_core.defences.patchguard.placements import Placements
from pg_core.geometry import ReceptiveField, Size, Windows
from pg_core.geometry.footprints import Footprints
from pg_core.io.progress import Pace, Report


def by_positions(
    certificate: Certificate, benign: float, field: ReceptiveField, patch_size: Size, image_size: Size
) -> Placements:
    """The certificate of one image for each place of a patch (height, width) on an image of `image_size` pixels.

    benign is the margin without a patch. Where no position contains the patch there is no bound: the margin is -inf.
    Raises ValueError for a patch that does not fit into the image.
    """
    return _placements(
        certificate, benign, Footprints.of(_seen_by(certificate, field), patch_size, image_size)
    )


def largest_by_positions(
    certificate: Certificate, field: ReceptiveField, image_size: Size, report: Report | None = None
) -> Int[np.ndarray, "height width"]:
    """For each pixel, the side of the largest square around it (`Footprints.centred`) that is certified, 0 if none is.

    A square is certified if a certified position contains its footprint; a larger one may be safe too.
    """
    sides, field = np.zeros(image_size, np.int64), _seen_by(certificate, field)
    pace = Pace(2 * max(image_size))
    for side in range(1, pace.total + 1):
        found = _placements(certificate, 0.0, Footprints.centred(field, side, image_size))
        if report is not None:
            report(pace.progress(side, f"squares of {side} pixels"))
        safe = found.safe_map
        if not safe.any():
            break
        sides[safe] = side
    return sides


def _seen_by(certificate: Certificate, field: ReceptiveField) -> ReceptiveField:
    positions = certificate.positions
    return field if isinstance(positions, Windows) else positions.field


def _placements(certificate: Certificate, benign: float, footprints: Footprints) -> Placements:
    """The bounds of the best position that contains each footprint."""
    proved = np.asarray(certificate.margin - certificate.tolerance)
    rows, columns = (_containing(certificate, footprints, axis) for axis in (0, 1))
    # Rows first: what is best for each span of rows, in each column of positions.
    by_row = np.where(rows[:, :, None], proved, -np.inf)
    best_row = by_row.argmax(axis=1)
    by_column = np.where(columns[None], by_row.max(axis=1, initial=-np.inf)[:, None, :], -np.inf)
    column = by_column.argmax(axis=-1)
    row = np.take_along_axis(best_row, column, axis=1)
    contained = np.outer(rows.any(axis=1), columns.any(axis=1))
    lower = np.where(contained, certificate.lower[row, column], 0.0)
    upper = np.where(contained, certificate.upper[row, column], np.inf)
    tolerance = np.broadcast_to(certificate.tolerance, proved.shape)[row, column]
    return Placements(
        footprints,
        int(certificate.label),
        int(certificate.prediction),
        lower,
        upper,
        certificate.rival[row, column],
        tolerance,
        benign,
    )


def _containing(
    certificate: Certificate, footprints: Footprints, axis: int
) -> Bool[np.ndarray, "spans positions"]:
    """Whether each position, along an axis, contains each span."""
    positions, spans = certificate.positions, (footprints.rows, footprints.columns)[axis]
    windows = positions if isinstance(positions, Windows) else positions.windows
    size, count = windows.window_size[axis], windows.map_size[axis]
    ahead = spans[:, :1] - np.arange(windows.shape[axis])
    if axis == 1 and windows.wrapping:
        ahead %= count
    whole = size == count  # where a footprint may go on around the edge
    length = spans[:, 1:] - spans[:, :1]
    return np.asarray(((ahead >= 0) | whole) & ((ahead + length <= size) | whole))

"""Top-k certificates: how far down a patch can push the label in the order of a defence's scores (theory §5, §9;
derived).

Where a defence scores each class from that class's evidence alone, and predicts the class with the largest score, its
bounds hold for all classes at once: whatever the window w holds, s_y >= lower and s_c <= upper_c for every rival c. A
rival with lower - upper_c > tolerance stays below the label, so at most as many classes pass the label, or draw level
with it, as there are other rivals: with n of them the label is among the k = n + 1 classes with the largest scores.
Each class loses a window of its own, which changes nothing: no bound of a class asks what another one lost. Votes are
whole, and there a rival of a higher index that only draws level stays below, as in the prediction.

k is the least that these bounds prove. At T = 0 an adversary in feature space attains it where the classes of a cell
do not share its evidence (logits): zeros for the label and the most for every rival. Where they do (confidence, votes)
the rivals may not all rise at once. So a label that is not certified among the best k is just that: nothing is claimed
of an attack. Not here: defences whose answer is a label and no score of each class (PatchCleanser, double masking on
features, PatchGuard++), which have no such order, and T > 0, where the tight bound bounds no more rivals than it must.
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from jaxtyping import Float64

from pg_core.defences.base import Certificate
from pg_core.evidence.arrays import Labels, Scores

CertificateT = TypeVar("CertificateT", bound=Certificate)


def ranked(
    certificate: CertificateT,
    scores: Scores,
    uppers: Float64[np.ndarray, "*batch classes window_rows window_columns"],
) -> CertificateT:
    """The certificate with the label's rank, by the scores without a patch, and the least rank at each position, by
    the largest score that each class can reach there (that of the label itself is not looked at)."""
    margins = certificate.lower[..., None, :, :] - uppers
    reaching = ~(margins > certificate.tolerance[..., None, :, :])
    reaching &= (np.arange(uppers.shape[-3]) != certificate.label[..., None])[..., None, None]
    least = 1 + np.count_nonzero(reaching, axis=-3)
    return replace(certificate, rank=rank_of(scores, certificate.label), least_rank=np.asarray(least))


def rank_of(scores: Scores, labels: Labels) -> Labels:
    """The place of each label among the classes by score, from 1; of equal scores the lowest class comes first.

    >>> int(rank_of(np.array([2.0, 5.0, 2.0]), np.array(2)))
    3
    """
    own = np.take_along_axis(scores, labels[..., None], axis=-1)
    earlier = np.arange(scores.shape[-1]) < labels[..., None]
    before = (scores > own) | ((scores == own) & earlier)
    return np.asarray(1 + np.count_nonzero(before, axis=-1))

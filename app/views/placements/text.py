"""The words of the page Placements, which must be true of every defence.

Robust masking has bounds for each footprint by itself. Any other defence proves a patch where a position of its
certificate, a window of features or a placement of a patch, is proved and contains it.
"""

import math

from app.markup import in_markdown
from pg_core.analysis.photo import Analysis
from pg_core.analysis.words import places
from pg_core.defences.base import Claim, Verdict
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.placements import Finding, Placed, Placements
from pg_core.geometry import Patch, Windows, times

INTRODUCTION = (
    "A certificate of the photo holds for *every* place of the patch. Here each place is judged by itself."
)


def rule(clean: Analysis) -> str:
    """When a place is certified."""
    if isinstance(clean.defence, RobustMasking):
        return (
            "Where the patch lies decides which features see it, its *footprint*, and many places share one; robust "
            "masking has bounds for each."
        )
    one = places(clean.certificate, one=True)
    return (
        f"Under {clean.spec.title} a patch is certified where a {one} that contains "
        f"{'all features that see it' if one == 'window' else 'it'} is."
    )


def about_the_claim(clean: Analysis) -> str | None:
    """What is to be said before any place is, if nothing can be certified, or not by the bound that is chosen."""
    if clean.verdict in (Verdict.ALERT, Verdict.MISCLASSIFIED):
        return in_markdown(clean.sentence())
    if clean.certificate.claim is not Claim.NOTHING:
        return None
    if isinstance(clean.defence, RobustMasking):
        return "The published bound is wrong for T > 0; the maps of this page use the sound one."
    return in_markdown(clean.sentence())


def reading(clean: Analysis, patch: Patch, placed: Placed) -> str:
    """What is known of one place, and by which numbers."""
    words = _mark(clean, patch, placed)
    seen = clean.footprint(patch)
    if placed.lower is None or placed.upper is None or placed.rival is None or seen is None:
        return words
    where = f"{seen.height}x{seen.width} features see the patch at row {patch.top}, column {patch.left}."
    if math.isinf(placed.margin):
        return f"{words}\n\n{where}"
    names = {"label": in_markdown(clean.label), "rival": in_markdown(clean.classes[placed.rival])}
    margin = f"margin **{placed.margin:+.4f}**."
    if isinstance(clean.defence, RobustMasking):
        return (
            f"{words}\n\n{where} The score of '{names['label']}' is at least {placed.lower:.4f}, that of "
            f"'{names['rival']}' at most {placed.upper:.4f}: {margin}"
        )
    lower, upper = (bound.format(**names) for bound in (clean.spec.lower, clean.spec.upper))
    return (
        f"{words}\n\n{where} Of the {places(clean.certificate)} that contain it the best has: *lower bound*, {lower}, "
        f"{placed.lower:.4f}; *upper bound*, {upper}, {placed.upper:.4f}; {margin}"
    )


def _mark(clean: Analysis, patch: Patch, placed: Placed) -> str:
    match placed.finding:
        case Finding.CERTIFIED:
            return f"✔ **Certified**: no content of the patch there changes the prediction{_alert(clean)}."
        case Finding.UNSEEN:
            return "✔ **Seen by no feature**: whatever the patch shows there, the prediction stays."
        case Finding.UNDECIDED:
            return "? **Undecided**: the margin is positive, but within the tolerance, which is estimated."
    if clean.verdict in (Verdict.ALERT, Verdict.MISCLASSIFIED):
        return "✘ **Not certified**: there is nothing to certify, even without a patch."
    if attained(clean) and placed.margin == 0:
        return (
            "✘ **Tie**: in feature space, some content of the patch lets the rival draw level, which is no "
            "certificate, but none lets it win."
        )
    if attained(clean):
        return (
            "✘ **Not certified**: in feature space, some content of the patch lets a rival win (a feature-space "
            "counterexample)."
        )
    if clean.certificate.claim is Claim.NOTHING and not isinstance(clean.defence, RobustMasking):
        return "✘ **Not certified**: no proof. What a rival reaches has no bound."
    if math.isinf(placed.margin):
        one = places(clean.certificate, one=True)
        return f"✘ **Not certified**: no proof. No {one} of the certificate contains the patch, so there is no bound."
    return "✘ **Not certified**: no proof."


def attained(clean: Analysis) -> bool:
    """Whether what is not certified is not, in feature space: of robust masking at T = 0."""
    return isinstance(clean.defence, RobustMasking) and clean.defence.threshold == 0


def counted(clean: Analysis, found: Placements) -> str:
    """How many places there are, and of how many kinds."""
    counts, (rows, columns) = found.counts, found.footprints.placements
    height, width = found.footprints.patch_size
    others = [f"{counts[kind]:,} {kind}" for kind in (Finding.UNDECIDED, Finding.UNSEEN) if counts[kind]]
    if isinstance(clean.certificate.positions, Windows):
        down, across = found.footprints.shape
        others.insert(0, f"{down}x{across} distinct footprints")
    return (
        f"{rows}x{columns} = {rows * columns:,} places of a {height}x{width}-pixel patch on the image the network "
        f"sees{''.join(f', {other}' for other in others)}."
    )


def fixed(clean: Analysis) -> str:
    """What stays as it is when the patch that is looked at has another size."""
    positions = clean.certificate.positions
    if not isinstance(positions, Windows):
        return (
            f"The certificate is about patches of {times(positions.patch_size)} pixels, whatever the size of this "
            "patch: none of its placements contains a larger one."
        )
    windows = times(positions.window_size)
    if isinstance(clean.defence, RobustMasking):
        return f"The masks of the defence are {windows} features, whatever the size of this patch."
    return (
        f"The windows of the certificate are {windows} features, whatever the size of this patch: none of them "
        "contains more."
    )


def legend(clean: Analysis) -> str:
    """What the signs and colours of the map of places mean."""
    end = "the largest lower bound" if isinstance(clean.defence, RobustMasking) else "the largest margin"
    return (
        "Each pixel: patch centred there. Blue: certified. Red, ✕: not certified, so open; ★: broken by pixels. ○: "
        "undecided. □: no feature sees the patch. Solid black: the patch looked at. Dashed pink: its footprint. "
        f"Colour scale clipped at {end}."
    )


def about_squares(clean: Analysis) -> str:
    """What a certified square around a pixel means, and whether a larger one may be safe."""
    if attained(clean):
        larger = "At T = 0 no larger square is safe in feature space."
    elif isinstance(clean.defence, RobustMasking):
        larger = "At T > 0 the sides are proved, and a larger square may be safe too."
    else:
        one = places(clean.certificate, one=True)
        larger = (
            f"The sides are proved: a {one} that contains each square is. A larger square may be safe too, but none "
            f"that no {one} contains is proved."
        )
    return (
        f"No patch inside the square, of any shape and content, changes the prediction{_alert(clean)}; what passes "
        f"the border of the image is cut off. {larger} The defence is the same everywhere; one fitted to another "
        "patch may prove more or less."
    )


def how(clean: Analysis) -> str:
    """How a place is proved."""
    if isinstance(clean.defence, RobustMasking):
        return _OF_ROBUST_MASKING
    if isinstance(clean.certificate.positions, Windows):
        return _OF_WINDOWS
    return _OF_PLACEMENTS


def _alert(clean: Analysis) -> str:
    return " without an alert" if clean.certificate.claim is Claim.LABEL_OR_ALERT else ""


_OF_ROBUST_MASKING = """
The patch touches the features of its footprint F. For the label y, with t its evidence outside F, *lower* is t less
the most that one mask M can take besides F; at T > 0, where no mask passes T by itself, only masks that overlap F
count. For a rival c, whatever is in F:

- if a mask is **detected**, the largest is removed, so c keeps at most what is left when F is full to the brim:
  t + top |F| - max over M of SUM(M ⊙ (v + top F)), with v the evidence outside F and *top* the most that a feature can
  say;
- if **none** is, F can hide no more than T lets it: at most (t - k_c)/(1 - T) is left, where k_c is the most evidence
  that a mask which contains F holds besides it.

At T = 0 both bounds are attained. Masks are those of the defence, for its own patch; a footprint may be smaller, at
the border for instance, or larger. Then a part of it escapes every mask: nothing is proved for unclipped logits, and
often much for confidences, which end at 1. (The bounds for footprints of other sizes than the masks are derived for
this program.)
"""
_OF_WINDOWS = """
The certificate has a lower and an upper bound for each malicious window, whatever is in it. A patch changes no more
than the features that see it, its footprint. So whatever is in the patch, all that it changes lies in each window that
contains the footprint, and each of these windows that is proved is a proof for the patch. The map shows the best of
them. Where the footprint is larger than the windows there is no bound.
"""
_OF_PLACEMENTS = """
The certificate has a lower and an upper bound for each placement of the adversary's patch, whatever is in it. A patch
that lies within such a placement changes nothing outside it, so each placement that contains the patch and is proved
is a proof for it. The map shows the best of them. For a larger patch there is no bound.
"""

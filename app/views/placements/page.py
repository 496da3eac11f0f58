"""Every place that the patch may have, one by one: what is proved there, and how large a patch would still be."""

from functools import partial

import streamlit as st

from app import opening
from app.cache import analysis as cached
from app.cache import patches
from app.components.charts import chart
from app.markup import in_markdown
from app.sidebar import Choices
from app.views.placements import figure as figures
from app.views.placements import results as computed
from app.views.placements import widgets as choices_of_placements
from app.views.placements.widgets import Map
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Claim
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.placements import Finding, Placed, Placements
from pg_core.geometry import Patch

_MARKS = {
    Finding.CERTIFIED: "✔ **Certified**: no content of the patch there changes the prediction.",
    Finding.UNSEEN: "✔ **Seen by no feature**: whatever the patch shows there, the prediction stays.",
    Finding.NOT_CERTIFIED: "✘ **Not certified**: no proof.",
    Finding.UNDECIDED: "? **Undecided**: the margin is positive, but within the tolerance, which is estimated.",
}


def show(chosen: Choices | None) -> None:
    """A map over the photo, of one patch at all places or of the largest patch at each."""
    st.header("Where could the patch be?")
    st.markdown(
        "A certificate of the photo holds for *every* place of the patch. Here each place is judged by itself: where "
        "the patch lies decides which features see it, its *footprint*, and many places share one."
    )
    slot = st.empty()
    asked = opening.classes(chosen, slot)
    if asked is None or chosen is None:
        return
    slot.empty()
    key = chosen.photo, chosen.choice, chosen.asked, chosen.threat, asked.label
    clean = cached.analysis(*key)
    if clean.certificate.claim is Claim.NOTHING:
        st.info("The published bound is wrong for T > 0; the maps of this page use the sound one.")
    if choices_of_placements.shown_map() == Map.FINDINGS:
        _findings(clean, chosen, asked.label)
    else:
        with choices_of_placements.searching(slot) as report:
            sides = computed.largest_patches(*key, report)
        _largest(clean, sides, chosen)
    _help()


def _findings(clean: Analysis, chosen: Choices, label: str | None) -> None:
    left, right = st.columns([3, 2], gap="large")
    with right:
        size = choices_of_placements.patch_size(clean.features.framing.image_size, chosen.patch_size)
        found = patches.placements(chosen.photo, chosen.choice, chosen.asked, chosen.threat, label, size)
        patch = choices_of_placements.placement(found)
        placed = found.at(patch.top, patch.left)
        st.markdown(_reading(clean, patch, placed))
        _counts(clean, found)
    with left:
        chart(
            figures.findings(clean, found, patch),
            "placements",
            f"Margin of the patch at every place: {found.share:.1%} of the places certified",
        )
        st.caption(
            "A point is the middle of the patch. Blue is certified; red, crossed out, is not; circles are undecided; "
            "squares are seen by no feature. Solid black: the patch looked at. Dashed pink: its footprint. Colours "
            "end at what the label keeps at most."
        )
    st.download_button(
        "All places as CSV",
        partial(computed.placements_csv, clean, found),
        f"{_stem(chosen)}-placements.csv",
        "text/csv",
        on_click="ignore",
    )


def _reading(clean: Analysis, patch: Patch, placed: Placed) -> str:
    words = _MARKS[placed.finding]
    if placed.footprint is None or placed.rival is None:
        return words
    footprint = placed.footprint
    label, rival = in_markdown(clean.label), in_markdown(clean.classes[placed.rival])
    if placed.finding is Finding.NOT_CERTIFIED and _attained(clean):
        words = (
            "✘ **Not certified**: in feature space, some content of the patch lets a rival win or draw level."
        )
    return (
        f"{words}\n\n{footprint.height}x{footprint.width} features see the patch at row {patch.top}, column "
        f"{patch.left}. '{label}' keeps at least {placed.lower:.4f}, '{rival}' reaches at most "
        f"{placed.upper:.4f}: margin **{placed.margin:+.4f}**."
    )


def _attained(clean: Analysis) -> bool:
    """Whether what is not certified is not, in feature space: of robust masking at T = 0."""
    return isinstance(clean.defence, RobustMasking) and clean.defence.threshold == 0


def _counts(clean: Analysis, found: Placements) -> None:
    counts, (rows, columns) = found.counts, found.footprints.placements
    first, second = st.columns(2)
    first.metric("Places certified", f"{100 * found.share:.1f} %")
    second.metric("Places not certified", f"{counts[Finding.NOT_CERTIFIED]:,}")
    height, width = found.footprints.patch_size
    others = [f"{counts[kind]:,} {kind}" for kind in (Finding.UNDECIDED, Finding.UNSEEN) if counts[kind]]
    down, across = found.footprints.shape
    st.caption(
        f"{rows}x{columns} = {rows * columns:,} places of a {height}x{width}-pixel patch on the image the network "
        f"sees, {down}x{across} distinct footprints" + "".join(f", {other}" for other in others) + "."
    )
    k_h, k_w = clean.certificate.windows.window_size
    st.caption(f"The masks of the defence are {k_h}x{k_w} features, whatever the size of this patch.")


def _largest(clean: Analysis, sides: computed.Sides, chosen: Choices) -> None:
    extremes = computed.extremes(clean, sides)
    inside = extremes.inside
    left, right = st.columns([3, 2], gap="large")
    with left:
        chart(
            figures.largest(clean, sides),
            "largest",
            f"Side of the largest certified square around each pixel, at least {extremes.smallest} pixels; the "
            f"largest inside the image: {_size(0 if inside is None else inside.height)}",
        )
        st.caption(
            "White lines join pixels with the same side, in pixels; a square around a pixel near the border is cut "
            "there. The dashed line is the side of the adversary's "
            "patch: where the side is larger, the patch is certified."
        )
    with right:
        first, second = st.columns(2)
        first.metric("At the weakest pixel", _size(extremes.smallest), help="Height and width in pixels.")
        second.metric(
            "Largest inside the image",
            _size(0 if inside is None else inside.height),
            help="The largest certified square all of whose pixels lie in the image.",
        )
        height, width = chosen.patch_size
        where = (
            ""
            if inside is None
            else (
                f" The largest certified square inside the image covers rows {inside.top} to {inside.bottom - 1} and "
                f"columns {inside.left} to {inside.right - 1}."
            )
        )
        st.markdown(
            f"The weakest pixel is at row {extremes.weakest[0]}, column {extremes.weakest[1]}.{where} Around "
            f"{100 * extremes.share:.1f} % of the pixels a square that holds the adversary's {height}x{width} pixels "
            "is certified."
        )
        exact = (
            "At T = 0 no larger square is safe in feature space."
            if _attained(clean)
            else "At T > 0 the sides are proved, and a larger square may be safe too."
        )
        st.markdown(
            "Any patch inside the square, of any shape and content, leaves the prediction as it is; what passes the "
            f"border of the image is cut off. {exact} The defence is the same everywhere; one fitted to another patch "
            "may prove more or less."
        )
        st.download_button(
            "Sides as CSV",
            partial(computed.sides_csv, sides),
            f"{_stem(chosen)}-largest.csv",
            "text/csv",
            on_click="ignore",
        )


def _size(side: int) -> str:
    return f"{side}x{side}" if side else "none"


def _stem(chosen: Choices) -> str:
    return chosen.photo.name.rsplit(".", 1)[0]


def _help() -> None:
    with st.expander("How is a place proved?"):
        st.markdown(
            """
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
        )

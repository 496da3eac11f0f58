"""Every place that the patch may have, one by one: what is proved there, and how large a patch would still be."""

from functools import partial

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import opening, proving, searching
from app.cache import analysis as cached
from app.cache import patches
from app.components.charts import chart
from app.searching import Subject
from app.sidebar import Choices
from app.state import searches
from app.views.placements import figure as figures
from app.views.placements import results as computed
from app.views.placements import text
from app.views.placements import widgets as choices_of_placements
from app.views.placements.widgets import Map
from pg_core.analysis.photo import Analysis
from pg_core.defences.patchguard.placements import Finding, Placements


def show(chosen: Choices | None, explore: StreamlitPage | None = None) -> None:
    """A map over the photo, of one patch at all places or of the largest patch at each; `explore` has the stage."""
    st.header("Where could the patch be?")
    st.markdown(text.INTRODUCTION)
    slot = st.empty()
    asked = opening.classes(chosen, slot)
    if asked is None or chosen is None:
        return
    slot.empty()
    key = chosen.photo, chosen.choice, chosen.asked, chosen.threat, asked.label
    clean = cached.analysis(*key)
    st.markdown(text.rule(clean))
    claim = text.about_the_claim(clean)
    if claim is not None:
        st.info(claim)
    if choices_of_placements.shown_map() == Map.FINDINGS:
        _findings(Subject(chosen, asked.label, clean), explore)
    else:
        with choices_of_placements.searching(slot) as report:
            sides = computed.largest_patches(*key, report)
        _largest(clean, sides, chosen)
    proving.certificate_file(chosen, clean)
    with st.expander("How is a place proved?"):
        st.markdown(text.how(clean))


def _findings(subject: Subject, explore: StreamlitPage | None) -> None:
    clean, chosen = subject.clean, subject.chosen
    searches.collect()
    left, right = st.columns([3, 2], gap="large")
    with right:
        size = choices_of_placements.patch_size(clean.features.framing.image_size, chosen.patch_size)
        found = patches.placements(
            chosen.photo, chosen.choice, chosen.asked, chosen.threat, subject.label, size
        )
        patch = choices_of_placements.placement(found)
        st.markdown(text.reading(clean, patch, found.at(patch.top, patch.left)))
        searching.panel(subject, {"at this place": patch}, explore)
        broken = computed.broken_places(found, searches.broken(subject.found))
        _counts(clean, found, broken)
    with left:
        chart(
            figures.findings(clean, found, patch, broken),
            "placements",
            f"Margin of the patch at every place: {found.share:.1%} of the places certified",
        )
        st.caption(text.legend(clean))
    st.download_button(
        "All places as CSV",
        partial(computed.placements_csv, clean, found),
        f"{_stem(chosen)}-placements.csv",
        "text/csv",
        on_click="ignore",
    )


def _counts(clean: Analysis, found: Placements, broken: computed.Places) -> None:
    first, second = st.columns(2)
    first.metric("Places certified", f"{100 * found.share:.1f} %")
    second.metric("Places not certified", f"{found.counts[Finding.NOT_CERTIFIED]:,}")
    st.caption(computed.states(found, broken))
    st.caption(text.counted(clean, found))
    st.caption(text.fixed(clean))


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
        st.markdown(text.about_squares(clean))
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

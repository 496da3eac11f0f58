"""The atlas: from a photo to a data set, where certificates fail, against whom, and what would prove more."""

from functools import partial

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app.components.charts import chart
from app.markup import in_markdown
from app.sidebar import Choices
from app.state import pages
from app.views.atlas import dropping, gallery, results, scenarios, trials, widgets
from app.views.atlas import figure as figures
from app.views.atlas.results import Selection
from pg_core.defences.base import Verdict

_INTRODUCTION = """
One certificate says whether a patch can change the answer on one photo. A run keeps the margin of **every** window of
every photo: here you see where certificates fail, against whom, and by how much. A click on a bar or a cell chooses
photos, in every view at once.
"""
_LOOKS = ("Photos", "Side by side", "What would it take?")


def show(debugger: StreamlitPage | None = None, chosen: Choices | None = None) -> None:
    """The photos of one trial of a table that are chosen; `debugger` opens one of them. A folder of photos is measured
    with the network that is chosen."""
    if gallery.leaving() and debugger is not None:
        st.switch_page(debugger)
    st.header("Atlas")
    st.markdown(_INTRODUCTION)
    dropping.collect()
    opened = widgets.table(partial(dropping.ask, chosen))
    if opened is None:
        dropping.progress(None, None)
        return
    name, atlas = opened
    try:
        dropping.progress(name, atlas)
        selection = widgets.selection(atlas, widgets.trial(name, atlas))
        _selected(name, selection)
    except ValueError as error:
        st.error(in_markdown(f"This table cannot be asked that. {error}."))


def _selected(name: str, selection: Selection) -> None:
    widgets.chips(selection)
    _numbers(selection)
    look = st.segmented_control(
        "Look at",
        _LOOKS,
        required=True,
        label_visibility="collapsed",
        key=pages.option("look", _LOOKS, _LOOKS[0]),
    )
    if look == _LOOKS[1]:
        trials.side_by_side(name, selection)
    elif look == _LOOKS[2]:
        trials.what_would_it_take(selection)
    else:
        _views(selection)
        gallery.gallery(selection)
    scenarios.listed(name, selection)
    _to_take_along(selection)


def _numbers(selection: Selection) -> None:
    whole, chosen = (
        results.certified(Selection(selection.atlas, selection.trial)),
        results.certified(selection),
    )
    first, second, third = st.columns(3)
    first.metric("Photos", f"{chosen.n:,} of {whole.n:,}")
    nothing = selection.failing is Verdict.UNPROVED
    second.metric("Certified", "nothing claimed" if nothing else f"{chosen.count:,}")
    third.metric("Certified, 95 % interval", "–" if nothing or not chosen.n else str(chosen))


def _views(selection: Selection) -> None:
    atlas, chosen = selection.atlas, selection.filters
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Verdicts")
        counted = results.verdicts(selection)
        told = "; ".join(f"{verdict}: {share.count} of {share.n}" for verdict, share in counted.items())
        chart(
            figures.verdicts(counted, chosen.verdict),
            "atlas-verdicts",
            f"Verdicts. {told}",
            partial(widgets.follow_verdict, "atlas-verdicts"),
        )
    with right:
        st.subheader("Where certificates fail")
        _where(selection)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Who overtakes whom")
        pairs = results.overtaken(selection)
        most = max(pairs, key=lambda pair: pairs[pair], default=None)
        if most is None:
            st.caption(f"No photo here is {selection.failing}.")
        else:
            words = f"{atlas.classes[most[0]]} by {atlas.classes[most[1]]}, {pairs[most]} photos"
            chart(
                figures.overtaken(pairs, atlas.classes, (chosen.label, chosen.rival)),
                "atlas-overtaken",
                f"Photos that are {selection.failing}, by class and strongest rival; most often {words}",
                partial(widgets.follow_pair, "atlas-overtaken", selection),
            )
            st.caption(
                f"Photos that are {selection.failing}, by their class and the strongest rival in the worst window."
            )
    with right:
        st.subheader("How much is missing")
        found = results.histogram(selection)
        below = sum(count for edge, count in zip(found.edges, found.counts, strict=False) if edge < 0)
        chart(
            figures.histogram(found, chosen.low, chosen.high),
            "atlas-margins",
            f"Smallest margin of each photo: {below} of {sum(found.counts)} below 0",
            partial(widgets.follow_margin, "atlas-margins", found),
        )
        beyond = f" {found.beyond:,} photos have no finite margin." if found.beyond else ""
        st.caption(f"Margins in the defence's own units; orange: below 0.{beyond}")


def _where(selection: Selection) -> None:
    found = results.failing(selection)
    what = "window"
    if found is None:
        st.caption("The photos of this setting differ in their windows, so there is no map of them.")
        return
    frame = results.frame(selection)
    counts = [count for row in found.counts for count in row]
    chart(
        figures.failing(found, selection.filters.window, what, frame),
        "atlas-failing",
        f"Photos that are not certified at each {what}: {min(counts)} to {max(counts)} of {found.n}",
        partial(widgets.follow_window, "atlas-failing"),
    )
    about = "" if frame is None else "Each cell lies around the middle of its window. "
    st.caption(
        f"{about}A photo that is misclassified, or has an alert, without any patch is certified nowhere."
    )


def _to_take_along(selection: Selection) -> None:
    st.download_button(
        "These photos as CSV",
        partial(results.as_csv, selection),
        "atlas.csv",
        "text/csv",
        on_click="ignore",
    )
    with st.expander("The same in SQL"):
        st.caption("For DuckDB, in the folder of the table.")
        st.code(selection.filters.copied(selection.atlas.keys[selection.trial], selection.shape), "sql")

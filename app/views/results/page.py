"""The results page: accuracies measured here beside published ones, Table 4, and the failures by class."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app.cache import results, tables
from app.components.charts import chart
from app.markup import in_markdown
from app.views.results import attacked
from app.views.results import widgets as choices
from app.views.results.figure import accuracies, accuracies_in_words, by_class, by_class_in_words
from pg_core.evaluation import table as comparison
from pg_core.evaluation.bracket import Bracket
from pg_core.evaluation.results import Evaluation
from pg_core.io.spreadsheet import comma_separated

_NOTES = {
    "imagenette": (
        "Measured here on ImageNette v2, JPEGs of 224x224 pixels (re-encoded and probably enlarged from 160), with "
        "the patch on the image that the network sees. `val` is made of ImageNet *training* photos, which the "
        "networks' ImageNet weights have seen, the published networks' as much as ours; `unseen` of ImageNet "
        "validation photos, which they have not."
    ),
    "imagenet": "Nothing is measured here on ImageNet; the published figures stand alone.",
    "cifar10": (
        "Measured here on test photos of CIFAR-10 as strongly compressed JPEGs, which costs accuracy against the "
        "originals, with *native* patches: 2x2 and 5x5 of 32x32 pixels, as those of the published figures."
    ),
}
_WIDTHS = {
    "Patch": 150,
    "Network": 125,
    "Source": 208,
}
"""In pixels, of what a row is about; the defences have columns of their own."""


def show(atlas: StreamlitPage | None = None) -> None:
    """All results, by data; `atlas` shows those of which each photo is there."""
    st.header("Results")
    st.markdown(
        "**Measured here**: with the shipped weights, 95 % Wilson intervals and n photos. **As published**: by the "
        "authors, on their photos with their networks, each with its source; a figure that could not be checked is "
        "not shown."
    )
    try:
        data = choices.data()
        every, brackets = results.of(data), results.brackets(data)
    except ValueError as error:
        st.error(in_markdown(f"The results cannot be read. {error}."))
        return
    st.caption(_NOTES.get(data.name, ""))

    chosen = choices.of_networks(every)
    points, measure, against = choices.drawn(chosen)
    chart(
        accuracies(points, measure, against),
        "accuracies",
        accuracies_in_words(points, measure, against),
    )
    st.caption(
        "Lines with bars: measured here, with 95 % intervals. Open marks: as published. Names: at the curves."
    )

    st.subheader("Table 4")
    table = comparison.table_4(chosen, data)
    st.markdown(
        "Clean / certified accuracy in %, at the patch sizes of Table 4 of the PatchGuard paper and T = 0. Clean: "
        "right without a patch. Certified: right, and no patch of this size anywhere can change it. *Label or "
        "alert*: none can without raising an alert, and an alert on a clean photo counts as wrong."
    )
    st.dataframe(
        results.rows(table),
        hide_index=True,
        height="content",
        column_config={name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()},
    )
    left, middle, right, _ = st.columns([1, 1, 1, 1])
    for column, name, text, file in (
        (left, "Table as CSV", comparison.as_csv(table), "table-4.csv"),
        (middle, "Table as LaTeX", comparison.as_latex(table), "table-4.tex"),
        (right, "All results as CSV", comparison.as_csv(every), "results.csv"),
    ):
        column.download_button(name, text, f"{data.title.lower()}-{file}", on_click="ignore", width="stretch")

    if brackets:
        _attacked(brackets, data.title)
    if atlas is not None:
        _photo_by_photo(results.models(data), atlas)
    names = results.names(data)
    if names:
        st.subheader("Verdicts by class")
        evaluation, run = choices.run(names)
        classes = evaluation.configuration.classes
        chart(by_class(run, classes), "by-class", by_class_in_words(run, classes))
        st.caption(
            f"{in_markdown(run.setting.parameters)}; claims: {run.setting.claim}. Clean {run.clean}, certified "
            f"{run.certified or 'nothing claimed'}, n = {evaluation.n:,}.{_recorded(evaluation)}"
        )


def _photo_by_photo(networks: set[str], atlas: StreamlitPage) -> None:
    """The shipped tables of the networks."""
    shipped = tables.shipped_of(networks)
    if not shipped:
        return
    st.subheader("Photo by photo")
    st.markdown(
        "The first 500 of these photos, balanced over the classes, with the margin and the rival of every window: "
        "where certificates fail, and against whom."
    )
    with st.container(horizontal=True):
        for name in shipped:
            if st.button(f"{in_markdown(name)} in the Atlas", key=f"atlas-of-{name}"):
                st.session_state["atlas-table"] = name
                st.switch_page(atlas)


def _attacked(brackets: list[Bracket], title: str) -> None:
    st.subheader("Certified ≤ robust ≤ attacked")
    st.markdown(
        "How many photos no patch can change lies between two measured numbers: those that are *proved*, and those "
        "that an adaptive attack on the pixels did not break. It attacks each photo that is right and not certified, "
        "at its weakest places, by the defence's own objective; a break counts when the defence itself says another "
        "class of the 8-bit image. What is *open* is known to be neither."
    )
    chart(attacked.bars(brackets), "attacked", attacked.in_words(brackets))
    table = attacked.rows(brackets)
    st.dataframe(table, hide_index=True, height="content")
    st.download_button(
        "Brackets as CSV",
        comma_separated(list(table[0]), [list(row.values()) for row in table]),
        f"{title.lower()}-attacked.csv",
        on_click="ignore",
    )


def _recorded(evaluation: Evaluation) -> str:
    """What is not known of a run that was made before device and contents of the photos were recorded."""
    if evaluation.configuration.device is not None:
        return ""
    return (
        " Measured before device, version and contents of the photos were recorded, with an earlier estimate of the "
        "tolerance."
    )

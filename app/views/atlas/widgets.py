"""Which table and trial the page Atlas shows, and which of its photos: fields whose values a click or a link sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import sidebar
from app.cache import tables
from app.cache.tables import OWN_BYTES, TABLES, Atlas
from app.components.charts import picked
from app.markup import in_markdown
from app.state import dropped, pages
from app.views.atlas import filters as values
from app.views.atlas.filters import Filters
from app.views.atlas.results import Histogram, Selection
from pg_core.defences.base import Claim, Verdict
from pg_core.defences.registry import DEFENCES
from pg_core.evaluation.results import Setting
from pg_core.io.printable import printable

Own = tuple[str, str, Mapping[str, bytes]]
"""A person's table: its name, its hash, and its parts."""
_OWN_PREFIX = "own-"
_RIGHT, _WRONG = "right", "wrong, or an alert"
_LETTERS = 12
"""Of the hash that names a trial, or a person's table, in a link."""


def table(measure: Callable[[], None]) -> tuple[str, Atlas] | None:
    """The table that is chosen, with its name in the address; None, once it was said why, where there is none.
    `measure` asks for photos of which a run makes one."""
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    with middle.popover("Open a table", width="stretch"):
        _ask_for_own()
    with right.popover("Measure a folder", width="stretch"):
        measure()
    titles = _titles()
    if _awaited(titles):
        return None
    if not titles:
        st.info(
            "There is no table here. Drop the Parquet files of one (*Open a table*): `python -m pg_core evaluate "
            f"FOLDER --model cifar10 --patch-size 5 --table TABLE` writes it. The server's own come from the folder "
            f"that `{TABLES}` names when it is started."
        )
        return None
    with left:
        # A person's own is never the usual one: the address names it.
        served = [name for name in titles if not name.startswith(_OWN_PREFIX)]
        return _opened("table", "Table", titles, next(iter(served or titles)))


def table_beside(name: str) -> tuple[str, Atlas] | None:
    """The table whose trial is set beside one of the table of this name; at first the same."""
    return _opened("beside_table", "Table beside", _titles(), name)


def trial(
    name: str, atlas: Atlas, part: str = "trial", title: str = "Defence and patch", besides: int | None = None
) -> int:
    """Which defence against which patch, by its position; `besides` is one that is not offered."""
    offered = {named(key): number for number, key in enumerate(atlas.keys) if number != besides}
    claiming = [key for key, number in offered.items() if atlas.settings[number].claim is not Claim.NOTHING]
    usual = next(iter(claiming or offered))
    key = pages.option(part, list(offered), usual, of=f"{name} {besides}")
    chosen = st.selectbox(
        title, list(offered), format_func=lambda one: titled(atlas.settings[offered[one]]), key=key
    )
    return offered[chosen or usual]


def named(key: str) -> str:
    """A trial, by the key of its setting, in a link."""
    return key[:_LETTERS]


def titled(setting: Setting) -> str:
    """A trial in words."""
    kind = setting.defence
    threshold = "" if setting.threshold is None else f", T = {setting.threshold:g}"
    height, width = setting.patch_size
    defence = DEFENCES[kind].title if kind in DEFENCES else printable(kind)
    return f"{defence}{threshold}, {height}x{width} patch"


def selection(atlas: Atlas, trial: int) -> Selection:
    """The photos that are looked at: of the link, of a click, or of the fields."""
    classes, shape = atlas.classes, atlas.shapes[trial]
    linked = pages.linked("filters", values.read)
    if linked is not None:
        choose(linked)
    _within(len(classes), shape)
    with st.expander("Filters"):
        first = st.columns(4)
        indices = list(range(len(classes)))
        _select(first[0], "Verdict", "filter-verdict", [str(verdict) for verdict in Verdict])
        _select(first[1], "Class", "filter-label", indices, classes)
        _select(first[2], "Strongest rival", "filter-rival", indices, classes)
        _select(first[3], "Prediction", "filter-right", [_RIGHT, _WRONG])
        second = st.columns(4)
        rows, columns = shape or (1, 1)
        for column, title, key, most in (
            (second[0], "Fails at row", "filter-row", rows - 1),
            (second[1], "Fails at column", "filter-column", columns - 1),
        ):
            column.number_input(title, 0, most, None, key=key, placeholder="any", disabled=shape is None)
        for column, title, key in (
            (second[2], "Margin at least", "filter-low"),
            (second[3], "Margin below", "filter-high"),
        ):
            column.number_input(title, value=None, step=0.1, format="%g", key=key, placeholder="any")
    chosen = _chosen()
    pages.say("filters", chosen.in_link())
    return Selection(atlas, trial, chosen)


def chips(selection: Selection) -> None:
    """The filters in words, each with its way out."""
    words = selection.filters.in_words(selection.atlas.classes)
    if not words:
        st.caption("All photos. A click on a bar or a cell chooses some of them, in every view.")
        return
    with st.container(horizontal=True):
        for name, text in words.items():
            st.button(
                f"✕ {in_markdown(text)}",
                key=f"chip-{name}",
                on_click=lambda name=name: choose(_chosen().without(name)),
                help="Let this filter go",
            )
        if len(words) > 1:
            st.button("Let all go", key="chip-all", on_click=choose, args=(Filters(),))


def choose(chosen: Filters) -> None:
    """Let the fields hold these filters, from the next run."""
    window = chosen.window or (None, None)
    right = None if chosen.right is None else _RIGHT if chosen.right else _WRONG
    st.session_state.update(
        {
            "filter-verdict": None if chosen.verdict is None else str(chosen.verdict),
            "filter-label": chosen.label,
            "filter-rival": chosen.rival,
            "filter-right": right,
            "filter-row": window[0],
            "filter-column": window[1],
            "filter-low": chosen.low,
            "filter-high": chosen.high,
        }
    )


def follow_verdict(key: str) -> None:
    """Take the verdict whose bar was clicked, or let it go."""
    place, chosen = picked(key), _chosen()
    if place is not None and 0 <= place[0] < len(Verdict):
        verdict = list(Verdict)[place[0]]
        choose(chosen.without("verdict") if chosen.verdict is verdict else replace(chosen, verdict=verdict))


def follow_window(key: str) -> None:
    """Take the window that was clicked, or let it go."""
    place, chosen = picked(key), _chosen()
    if place is not None:
        choose(chosen.without("window") if chosen.window == place else replace(chosen, window=place))


def follow_pair(key: str, selection: Selection) -> None:
    """Take the class and the rival whose cell was clicked, with the verdict that the cell counts, or let them go."""
    place, chosen = picked(key), _chosen()
    if place is not None:
        pair = replace(chosen, label=place[0], rival=place[1], verdict=selection.failing)
        choose(chosen.without("label", "rival", "verdict") if chosen == pair else pair)


def follow_margin(key: str, found: Histogram) -> None:
    """Take the margins of the bar that was clicked, or let them go."""
    place, chosen = picked(key), _chosen()
    if place is not None and 0 <= place[0] < len(found.counts):
        low, high = found.edges[place[0] : place[0] + 2]
        same = (chosen.low, chosen.high) == (low, high)
        choose(chosen.without("low", "high") if same else replace(chosen, low=low, high=high))


def keep_own(title: str, parts: Mapping[str, bytes]) -> str:
    """Keep a person's table for this session, in place of another one, and show it; its name in the address."""
    own = title, tables.digest_of(parts), parts
    st.session_state[dropped.OWN_TABLE] = own
    st.session_state["atlas-table"] = _own_name(own)
    return _own_name(own)


def _awaited(titles: Mapping[str, str]) -> bool:
    """Whether the link is about a person's table that has to be dropped again, which it says; what else the link
    says waits for it."""
    name = pages.text_of("table") or ""
    if not name.startswith(_OWN_PREFIX) or name in titles:
        return False
    st.info(
        "This link is about a table that somebody dropped here. The server keeps none of them: drop its Parquet files "
        "again (*Open a table*), and the link goes on with them."
    )
    # Taken out of what the link says, so that it waits for the table no longer.
    st.button("Show another table", on_click=pages.linked, args=("table", str))
    return True


def _ask_for_own() -> None:
    """The uploader for the parts of a table; they are kept for this session alone."""
    files = st.file_uploader(
        "Parquet files of one table",
        type="parquet",
        accept_multiple_files=True,
        max_upload_size=OWN_BYTES // 2**20,
        key=dropped.uploader("upload"),
        help="As `python -m pg_core evaluate ... --table` writes them, all parts of one folder; only you see them. "
        "Its network need not be here.",
    )
    uploads = [file.file_id for file in files]
    if not files or st.session_state.get(dropped.UPLOADS) == uploads:
        return
    st.session_state[dropped.UPLOADS] = uploads
    try:
        parts = tables.own_parts({file.name: file.getvalue() for file in files})
    except ValueError as error:
        st.error(in_markdown(str(error)))
        return
    keep_own(
        printable(files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"), parts
    )


def _titles() -> dict[str, str]:
    """The tables that are here, by their names in the address: a person's own, then the server's."""
    served = {name: printable(path.name) for name, path in _served().items()}
    own: Own | None = st.session_state.get(dropped.OWN_TABLE)
    return served if own is None else {_own_name(own): f"{own[0]} (yours)"} | served


def _served() -> dict[str, Path]:
    return {_name(name, path): path for name, path in tables.served().items()}


def _opened(part: str, title: str, titles: dict[str, str], usual: str) -> tuple[str, Atlas] | None:
    """The table that is chosen out of these."""
    key = pages.option(part, list(titles), usual)
    name = st.selectbox(title, list(titles), format_func=titles.__getitem__, key=key) or usual
    own: Own | None = st.session_state.get(dropped.OWN_TABLE)
    slot = st.empty()
    try:
        with sidebar.progress(slot, "Opening the table …", name):
            if own is not None and name == _own_name(own):
                opened = tables.own_table(own[1], own[2])
            else:
                opened = tables.served_table(_served()[name])
        slot.empty()
        return name, opened
    except (ValueError, OSError) as error:
        slot.empty()
        st.error(in_markdown(f"{titles[name]} cannot be opened. {error}."))
        return None


def _own_name(own: Own) -> str:
    return f"{_OWN_PREFIX}{own[1][:_LETTERS]}"


def _name(name: str, path: Path) -> str:
    """A table in a link: its folder's name where that is of such letters, else its beginning with a hash."""
    said = pages.said(name)
    return (
        said if said == name else f"{said[:40]}-{tables.digest_of({str(path): b''})[:_LETTERS]}".lstrip("-")
    )


def _chosen() -> Filters:
    """What the fields hold."""
    state = st.session_state
    verdict, right = state.get("filter-verdict"), state.get("filter-right")
    row, column = state.get("filter-row"), state.get("filter-column")
    return Filters(
        verdict=None if verdict is None else Verdict(verdict),
        label=state.get("filter-label"),
        rival=state.get("filter-rival"),
        window=None if row is None or column is None else (row, column),
        right=None if right is None else right == _RIGHT,
        low=state.get("filter-low"),
        high=state.get("filter-high"),
    )


def _within(classes: int, shape: tuple[int, int] | None) -> None:
    """Let go what a link or another table said and this one has not."""
    chosen, rows_columns = _chosen(), shape or (0, 0)
    beyond = [name for name in ("label", "rival") if (getattr(chosen, name) or 0) >= classes]
    if chosen.window is not None and not all(
        0 <= at < count for at, count in zip(chosen.window, rows_columns, strict=True)
    ):
        beyond.append("window")
    state = st.session_state
    for key, count in zip(("filter-row", "filter-column"), rows_columns, strict=True):
        if (state.get(key) or 0) >= count:
            state[key] = None
    if beyond:
        st.warning("This table has no such class or window, so that filter is left out.")
        choose(chosen.without(*beyond))


def _select(
    column: DeltaGenerator,
    title: str,
    key: str,
    options: Sequence[object],
    names: Sequence[str] | None = None,
) -> None:
    column.selectbox(
        title,
        options,
        index=None,
        format_func=(lambda index: printable(names[index])) if names else str,
        key=key,
        placeholder="any",
    )

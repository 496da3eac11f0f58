"""The photos of a selection, the smallest margin first, and the way to one of them in the Debugger."""

import streamlit as st

from app.cache import tables
from app.cache.analysis import Photo
from app.cache.patches import preview
from app.markup import in_markdown
from app.state import networks, photos, windows
from app.views.atlas import dropping, results
from app.views.atlas.results import Row, Selection
from pg_core.defences.registry import DEFENCES
from pg_core.defences.spec import CLIP_HIGH, EVIDENCE
from pg_core.io.printable import printable
from pg_core.networks import MODELS, TRAINED
from pg_core.networks.shipped import read_card
from pg_core.photos.framing import Space

_PAGE = 12
_ACROSS = 120
"""Pixels of a photo."""
_LEAVING = "atlas-leaving"


def leaving() -> bool:
    """Whether a photo was opened just now, once."""
    return bool(st.session_state.pop(_LEAVING, False))


def gallery(selection: Selection) -> None:
    """A page of photos, or of their names where the photos are not here."""
    st.subheader("Photos, the smallest margin first")
    n = results.certified(selection).n
    if not n:
        st.caption("No photo has all of these filters.")
        return
    last = (n - 1) // _PAGE + 1
    key = f"page-of-{selection.trial}-{selection.filters.in_link()}"
    page = st.number_input(f"Page, of {last:,}", 1, last, key=key, width=160)
    rows = results.page_of(selection, _PAGE * (page - 1), _PAGE)
    shown = {
        row.sha256: dropping.photo_of(row.sha256)
        or tables.photo_of(selection.atlas.run, row.photo, row.sha256)
        for row in rows
    }
    if not any(shown.values()):
        st.dataframe([_told(row, selection) for row in rows], hide_index=True, height="content")
        st.caption(_why_not())
        return
    with st.container(horizontal=True, gap="small"):
        for place, row in enumerate(rows):
            with st.container(width=_ACROSS):
                _photo(place, row, shown[row.sha256], selection)
    about_it = _about_the_network(selection)
    if about_it is not None:
        st.caption(about_it)
    if not all(shown.values()):
        st.caption("Photos without a picture are not in the server's folder as they were measured.")


def _photo(place: int, row: Row, photo: Photo | None, selection: Selection) -> None:
    classes = selection.atlas.classes
    if photo is not None:
        st.image(preview(photo), width=_ACROSS)
    st.button(
        in_markdown(row.name.rsplit("/", 1)[-1]),
        key=f"open-photo-{place}",
        on_click=_open,
        args=(row, photo, selection),
        disabled=photo is None or _here(selection.atlas.run.configuration.model) is None,
        help=in_markdown(f"{row.name}: look at it in the Debugger, in its worst window"),
        width="stretch",
    )
    label = "" if row.label is None else f"{classes[row.label]}, "
    st.caption(in_markdown(f"{label}{row.verdict}, {row.margin:.3g} against {classes[row.rival]}"))


def _open(row: Row, photo: Photo | None, selection: Selection) -> None:
    """Look at a photo as the table measured it, in its worst window, or in the one that is chosen."""
    if photo is None:
        return
    run, setting, state = selection.atlas.run, selection.setting, st.session_state
    photos.look_at(photo)
    model = run.configuration.model
    own = run.parameters[selection.trial]
    state.update({"network": _here(model), f"defence-{model}": setting.defence, "space": Space.NETWORK})
    state.update({"unit": "pixels", "linked-size": setting.patch_size, "size-followed": True})
    for parameter in DEFENCES[setting.defence].parameters if setting.defence in DEFENCES else ():
        value = own.get(parameter.name)
        if parameter is EVIDENCE:
            state[f"{parameter.name}-{model}"] = value
        elif parameter is CLIP_HIGH:
            state["clipped"] = value is not None
        if value is not None and parameter is not EVIDENCE:
            state[parameter.name] = value
    label = row.label if row.label is not None else row.prediction
    state["label"] = "" if label is None else run.configuration.classes[label]
    windows.remember(photo.digest, None, *(selection.filters.window or row.worst))
    state[_LEAVING] = True


def _told(row: Row, selection: Selection) -> dict[str, object]:
    classes = selection.atlas.classes
    named: dict[int | None, str] = {None: "", **dict(enumerate(classes))}
    return {
        "Photo": printable(row.name),
        "Class": printable(named[row.label]),
        "Prediction": printable(named[row.prediction]),
        "Verdict": str(row.verdict),
        "Margin": row.margin,
        "Worst window": "row {}, column {}".format(*row.worst),
        "Rival": printable(classes[row.rival]),
    }


def _about_the_network(selection: Selection) -> str | None:
    """What keeps the Debugger from showing a photo as it was measured."""
    configuration = selection.atlas.run.configuration
    model = configuration.model
    if _here(model) is None:
        return in_markdown(f"{model}: this network is not here, so no photo can be opened in the Debugger.")
    if model in TRAINED and configuration.weights_sha256 != read_card(model).sha256:
        return in_markdown(
            f"{model}: measured with other weights than these; the Debugger shows other margins."
        )
    return None


def _here(model: str) -> str | None:
    """A network as the sidebar offers it: one that is shipped, or a person's own by its title; None if it has none."""
    if model in MODELS:
        return model
    titles = (title for title, own in networks.own_networks().items() if own.description.name == model)
    return next(titles, None)


def _why_not() -> str:
    if not tables.photos_are_here():
        return (
            f"The photos are not here: start the server with `{tables.PHOTOS}` naming their folder, and each can be "
            "opened in the Debugger."
        )
    return "The server's folder of photos has none of these names with the content that was measured."

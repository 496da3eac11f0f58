"""A folder of photos that is dropped on the page Atlas and measured there: what is asked, how far it is, the table."""

import hashlib
import io
import zipfile
from collections.abc import Mapping

import streamlit as st

from app.cache import analysis as cached
from app.cache import runs
from app.cache.analysis import Photo
from app.cache.runs import MOST_BYTES, MOST_PHOTOS, MOST_SECONDS, PhotoRun, Plan
from app.cache.searches import End, of_its_own
from app.cache.tables import Atlas
from app.markup import in_markdown
from app.sidebar import Choices
from app.state import dropped, searches
from app.views.atlas import widgets
from pg_core.defences.base import DefenceInput
from pg_core.io.progress import duration
from pg_core.photos.framing import square
from pg_core.photos.read import MAX_BYTES, SUFFIXES, ImageError

_EVERY = 1.0
"""Seconds between two looks at a run."""
_USUAL = ("masking", "mask-ds", "feature-masking")
"""Defences that are chosen at first, where they fit the network, beside the one that certified most with it."""
_MOST_LISTED = 20


def ask(chosen: Choices | None) -> None:
    """The folder and what to measure on it, with the button that begins."""
    if chosen is None:
        st.caption("The photo of this link is not here: choose another one, then a folder can be measured.")
        return
    files = st.file_uploader(
        "Folder of photos",
        type=[suffix.removeprefix(".") for suffix in SUFFIXES],
        accept_multiple_files="directory",
        max_upload_size=MAX_BYTES // 2**20,
        key=dropped.uploader("folder"),
        help=f"At most {MOST_PHOTOS} photos, {MOST_BYTES // 2**20} MB together. Folders named like the classes of the "
        "network give labels, and with them an accuracy; a folder of photos alone gives verdicts. The photos stay in "
        "the memory of this session, and only you see them.",
    )
    choice, known = chosen.choice, cached.described(chosen.choice)
    usual = square(0.02, known.image_size)
    side = st.number_input(
        "Patch, pixels on a side",
        1,
        min(known.image_size),
        max(1, min(usual)),
        key=f"atlas-run-patch-{choice.model}",
        help="Of the image that the network sees; at first 2 % of its area.",
    )
    fitting = cached.applicable(choice, (side, side))
    offered = {
        name: spec.title
        for name, spec in fitting.items()
        if spec.input is not DefenceInput.TWO_MASK_PREDICTIONS
    }
    first = [name for name in offered if name in (*_USUAL, cached.usual_defence(choice))]
    names = st.multiselect(
        "Defences",
        list(offered),
        first,
        format_func=offered.__getitem__,
        key=f"atlas-run-defences-{choice.model}",
        help="One run of the network on each photo serves them all. PatchCleanser needs hundreds of runs for each: "
        "measure that with the command.",
    )
    st.caption(
        f"Network, from the sidebar: {in_markdown(choice.model)}. At most {MOST_SECONDS // 60} minutes."
    )
    run = dropped.run()
    busy = run is not None and run.running
    if st.button(
        "Measure these photos",
        disabled=not files or not names or busy,
        key="atlas-run-start",
        width="stretch",
    ):
        try:
            with st.spinner("Loading the network …"):
                model = of_its_own(choice)
            found = runs.dropped([(file.name, file.getvalue()) for file in files], model.classes)
            plan = Plan(found.photos, tuple(names), ((side, side),))
            begun = PhotoRun(model, plan, *searches.whose())
        except ValueError as error:
            st.error(in_markdown(_sentence(str(error))))
            return
        st.session_state[dropped.RUN], st.session_state[dropped.TAKEN] = begun, False
        runs.DESK.hand_in(begun)
        st.rerun()


def collect() -> None:
    """Take the table of a run that has ended: it is shown as a person's own from now on."""
    run = dropped.run()
    if run is None or run.running or st.session_state.get(dropped.TAKEN):
        return
    st.session_state[dropped.TAKEN] = True
    if run.parts:
        st.session_state[dropped.PHOTOS] = {
            hashlib.sha256(photo.data).hexdigest(): (photo.name, photo.data) for photo in run.plan.photos
        }
        name = f"{run.progress.done:,} dropped photos"
        st.session_state[dropped.NAME] = widgets.keep_own(name, run.parts)


def progress(name: str | None, atlas: Atlas | None) -> None:
    """How far a run is, or what became of it; the table that is shown is told by its name in the address."""
    run = dropped.run()
    if run is None:
        return
    if run.running:
        _watch()
    elif run.end is End.FAILED:
        st.error(in_markdown(_sentence(run.problem)))
    elif not run.parts:
        st.info("Stopped before a photo was measured.")
    elif name == st.session_state.get(dropped.NAME) and atlas is not None:
        _ended(run, atlas)


def photo_of(sha256: str) -> Photo | None:
    """A photo that was dropped here, by the hash of its content; None for any other, and one that is none."""
    kept = st.session_state.get(dropped.PHOTOS, {}).get(sha256)
    if kept is None:
        return None
    try:
        return cached.uploaded(kept[0].rsplit("/", 1)[-1], kept[1])
    except ImageError:
        return None


@st.fragment(run_every=_EVERY)
def _watch() -> None:
    run = dropped.run()
    if run is None or not run.running:
        st.rerun()
    bar, button = st.columns([5, 1], vertical_alignment="center")
    done = run.progress
    bar.progress(done.done / done.total, text=_so_far(run))
    button.button("Stop", key="atlas-run-stop", on_click=runs.DESK.withdraw, args=(run,), width="stretch")


def _so_far(run: PhotoRun) -> str:
    ahead = runs.DESK.ahead(run)
    if ahead is not None:
        before = "yours is the next" if ahead == 0 else f"{ahead} before yours"
        return f"Waiting: another run is on this server already, {before}."
    done = run.progress
    left = "" if done.seconds_left is None else f", {duration(done.seconds_left)} left"
    return f"Measured {done.done:,} of {done.total:,} photos{left}"


def _ended(run: PhotoRun, atlas: Atlas) -> None:
    """What was measured, what was not, and the table to take along."""
    photos = run.plan.photos
    measured = {sha256 for (sha256,) in atlas.ask("select distinct sha256 from photos")}
    by_hash: Mapping[str, tuple[str, bytes]] = st.session_state[dropped.PHOTOS]
    hashes = {id(data): sha256 for sha256, (_, data) in by_hash.items()}
    seen = photos[: run.progress.done]
    unread = [photo for photo in seen if hashes.get(id(photo.data)) not in {*measured, None}]
    why = {End.STOPPED: ", then it was stopped", End.TIME: f", then {MOST_SECONDS // 60} minutes were over"}
    labels = "with" if photos[0].label is not None else "without"
    words = (
        f"Measured {len(seen) - len(unread):,} of {len(photos):,} photos{why.get(run.end or End.DONE, '')}; "
        f"{labels} classes from their folders. Download the table: nothing of it is kept when this page is closed."
    )
    left, middle, right = st.columns([4, 1, 1], vertical_alignment="center")
    left.caption(words)
    data, name = _to_take_along(run.parts)
    middle.download_button("Download the table", data, name, on_click="ignore", width="stretch")
    right.button("Forget this run", on_click=dropped.forget, key="atlas-run-forget", width="stretch")
    if unread:
        listed = [
            f"- {in_markdown(photo.name)}: {in_markdown(runs.why_not(photo) or 'It cannot be measured.')}"
            for photo in unread[:_MOST_LISTED]
        ]
        more = [f"- and {len(unread) - _MOST_LISTED:,} more"] if len(unread) > _MOST_LISTED else []
        with st.expander(f"Photos that cannot be read: {len(unread):,}"):
            st.markdown("\n".join([*listed, *more]))


def _to_take_along(parts: Mapping[str, bytes]) -> tuple[bytes, str]:
    """One part as it is, several in a zip; both can be dropped again, the zip unpacked."""
    if len(parts) == 1:
        return next(iter(parts.values())), "atlas.parquet"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # Parquet is compressed already
        for name, data in parts.items():
            archive.writestr(name, data)
    return packed.getvalue(), "atlas-table.zip"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."

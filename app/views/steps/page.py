"""Algorithms 1 and 2 line by line, on the photo and on the toy board."""

import html

import streamlit as st

from app.components.charts import chart
from app.markup import in_markdown
from app.opening import Opened, about_robust_masking, opened
from app.sidebar import Choices
from app.state import board as choices_of_board
from app.views.steps import figure as figures
from app.views.steps import results as running
from app.views.steps import widgets as controls
from app.views.steps.results import Algorithm, Scene, Subject
from pg_core.defences.base import Claim
from pg_core.defences.patchguard.masking import Bound
from pg_core.defences.patchguard.spec import BOUND
from pg_core.defences.patchguard.trace import Line, Step

_BOARDS = (Scene.COUNTEREXAMPLE, Scene.ATTACKED, Scene.BOARD, Scene.PAINTED)


def show(chosen: Choices | None) -> None:
    """Choose what runs, then watch it run."""
    st.header("Step through the algorithms")
    chosen = about_robust_masking(chosen)
    slot = st.empty()
    seen = opened(chosen, slot)
    left, right = st.columns(2)
    with left:
        algorithm = controls.algorithm()
    scenes = running.board_scenes(algorithm)
    if seen is not None:
        scenes = [*running.photo_scenes(algorithm, seen.clean, seen.shown, seen.window), *scenes]
    with right:
        scene = controls.scene(scenes)
    subject = _subject(seen, scene, Bound.SOUND if chosen is None else Bound(chosen.asked[BOUND]))
    key = running.name_of(algorithm, scene, subject)

    # A fragment keeps its pace until the page runs again.
    started = controls.playing()

    @st.fragment(run_every=controls.PACE if started else None)
    def player() -> None:
        steps = running.trace(algorithm, subject)
        at = controls.position(steps, key)
        if controls.playing() != started:
            st.rerun()
        _step(algorithm, subject, steps, at)

    player()


def _subject(seen: Opened | None, scene: Scene, bound: Bound) -> Subject:
    if seen is None or scene in _BOARDS:
        return running.board_subject(choices_of_board.board(), scene, bound)
    return running.photo_subject(seen.clean, seen.shown, seen.window, scene)


def _step(algorithm: Algorithm, subject: Subject, steps: tuple[Step, ...], at: int) -> None:
    step = steps[at]
    controls.player(steps)
    left, right = st.columns([7, 6], gap="medium")
    with left:
        st.html(_listing(running.lines(algorithm, subject), step.line))
        st.markdown(f"**{figures.said(step, subject.classes)}**")
        if step.line is Line.CERTIFY and subject.certificate.claim is Claim.NOTHING:
            st.warning("? Unproved: the published bound is wrong for T > 0, and claims nothing.")
        st.caption(f"{subject.defence}.")
    with right:
        _drawing(subject, steps[: at + 1])


def _drawing(subject: Subject, known: tuple[Step, ...]) -> None:
    step, masking = known[-1], subject.masking
    name = "every class" if step.label is None else subject.classes[step.label]
    if step.line in (Line.MARGIN, Line.CERTIFY):
        st.markdown("The margin of each window, as far as it is known. Crosses: not positive.")
        chart(figures.margins_step(subject.certificate, known), "step-margins", "The margins known so far")
    elif step.line in (Line.PREDICT, Line.CLEAN) or step.label is None:
        chosen = int(masking.label) if step.label is None else step.label
        st.markdown("The scores of the classes with the most evidence left. ★: the prediction.")
        chart(figures.scores_step(masking, subject.classes, chosen), "step-scores", f"Scores; {name}")
    else:
        what = "Local logits u" if step.line is Line.CLASSES else "Clipped evidence û"
        st.markdown(f"{what} of '{in_markdown(name)}'.")
        chart(
            figures.evidence_step(masking, subject.local_logits[step.label], step),
            "step-map",
            f"{what} of {name}",
        )


def _listing(lines: tuple[Line, ...], current: Line) -> str:
    rows = []
    for line in lines:
        marked = ' aria-current="step"' if line is current else ""
        indent = len(line) - len(line.lstrip())
        rows.append(f'<li{marked} style="--indent: {indent}">{html.escape(line.strip())}</li>')
    return f'<ol class="pg-listing" aria-label="The algorithm">{"".join(rows)}</ol>'

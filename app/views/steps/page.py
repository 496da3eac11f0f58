"""Robust masking and double masking on features line by line, on the photo and on the toy board."""

import html
import re
from collections.abc import Sequence

import streamlit as st

from app import links
from app.components.charts import chart
from app.markup import in_markdown
from app.opening import Opened, opened
from app.sidebar import Choices
from app.state import board as choices_of_board
from app.views.steps import double_masking, one_round
from app.views.steps import figure as figures
from app.views.steps import results as running
from app.views.steps import widgets as controls
from app.views.steps.results import Algorithm, FeatureSubject, Scene, Subject
from pg_core.defences.base import Claim
from pg_core.defences.patchcleanser.trace import FeatureLine, FeatureStep
from pg_core.defences.patchguard.certificate import Bound
from pg_core.defences.patchguard.spec import BOUND
from pg_core.defences.patchguard.trace import Line, Step
from pg_core.photos.inference import LocalFeatures

_BOARDS = (Scene.COUNTEREXAMPLE, Scene.ATTACKED, Scene.BOARD, Scene.PAINTED)
_OURS = "The listing and its line numbers are ours, after the algorithms of the papers."
_MARGINS = (*figures.MARGINS, Line.CERTIFY, FeatureLine.CERTIFY)


def show(chosen: Choices | None) -> None:
    """Choose what runs, then watch it run."""
    st.header("Step through the algorithms")
    if chosen is not None:
        st.caption(
            "This page is about robust masking and double masking on features, whichever defence is chosen in the "
            "sidebar. Its evidence and $c_h$ apply to both."
        )
    slot = st.empty()
    left, right = st.columns([2, 1])
    with left:
        algorithm = controls.algorithm()
    if chosen is not None:
        chosen = running.choices(algorithm, chosen)
    seen = opened(chosen, slot)
    scenes = running.board_scenes(algorithm)
    if seen is not None:
        scenes = [*running.photo_scenes(algorithm, seen.clean, seen.shown, seen.window), *scenes]
    with right:
        scene = controls.scene(scenes)
    bound = Bound.SOUND if chosen is None or algorithm.on_features else Bound(chosen.asked[BOUND])
    subject = _subject(algorithm, seen, scene, bound)
    steps = running.trace(algorithm, subject)
    key = running.name_of(algorithm, scene, subject)

    # A fragment keeps its pace until the page runs again.
    started, pace = controls.playing(), controls.pace()
    photo = None
    if seen is not None and scene not in _BOARDS:
        photo = (seen.shown if scene is Scene.PATCHED else seen.clean).features

    @st.fragment(run_every=pace if started else None)
    def player() -> None:
        at = controls.position(steps, key)
        if (controls.playing(), controls.pace()) != (started, pace):
            st.rerun()
        _step(algorithm, subject, steps, at, photo)
        if not started:
            links.write_page()

    player()
    with st.expander("Why is one round of masks not enough?", expanded=False):
        one_round.toy()


def _subject(
    algorithm: Algorithm, seen: Opened | None, scene: Scene, bound: Bound
) -> Subject | FeatureSubject:
    if seen is None or scene in _BOARDS:
        board = choices_of_board.board()
        if algorithm.on_features:
            return running.board_features(board, scene)
        return running.board_subject(board, scene, bound)
    if algorithm.on_features:
        return running.photo_features(seen.clean, seen.shown, seen.window, scene)
    return running.photo_subject(seen.clean, seen.shown, seen.window, scene)


def _step(
    algorithm: Algorithm,
    subject: Subject | FeatureSubject,
    steps: controls.Steps,
    at: int,
    photo: LocalFeatures | None,
) -> None:
    step = steps[at]
    controls.player(steps)
    left, right = st.columns([7, 6], gap="medium")
    with left:
        st.html(_listing(running.lines(algorithm, subject), step.line))
        if isinstance(step, FeatureStep):
            said = double_masking.said(step, subject.classes)
        else:
            said = figures.said(step, subject.classes)
        st.markdown(f"**{said}**")
        if step.line is Line.CERTIFY and subject.certificate.claim is Claim.NOTHING:
            st.warning("? Unproved: the published bound is wrong for T > 0, and claims nothing.")
        st.caption(f"{subject.defence}. {_followed(algorithm, subject)}{_OURS}")
    with right:
        if step.line in _MARGINS:
            st.markdown("The margin of each window, as far as it is known. Crosses: not positive.")
            known = figures.margins_step(subject.certificate, steps[: at + 1])
            chart(known, "step-margins", "The margins known so far")
        elif isinstance(step, FeatureStep) and isinstance(subject, FeatureSubject):
            _drawing_of_features(subject, step)
        elif isinstance(step, Step) and isinstance(subject, Subject):
            _drawing(subject, step)
        if photo is not None:
            _on_the_photo(photo, step)


def _followed(algorithm: Algorithm, subject: Subject | FeatureSubject) -> str:
    """Which classes the loop over classes is shown for."""
    if algorithm is not Algorithm.PREDICTION or not isinstance(subject, Subject):
        return ""
    names = ", ".join(f"'{in_markdown(subject.classes[label])}'" for label in subject.labels)
    others = len(subject.classes) - len(subject.labels)
    rest = f"; the other {others:,} go the same way, in one step" if others else ""
    return f"Classes walked through: {names}, the label and those with the largest scores{rest}. "


def _on_the_photo(photo: LocalFeatures, step: Step | FeatureStep) -> None:
    """Where the windows of the step lie on the photo."""
    windows = (
        figures.outlined_windows(step) if isinstance(step, Step) else double_masking.outlined_windows(step)
    )
    if windows:
        chart(
            figures.on_photo(photo, windows),
            "step-photo",
            "The windows of this step on the photo",
        )


def _drawing(subject: Subject, step: Step) -> None:
    masking = subject.masking
    name = "every class" if step.label is None else subject.classes[step.label]
    if step.line in (Line.PREDICT, Line.CLEAN) or step.label is None:
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


def _drawing_of_features(subject: FeatureSubject, step: FeatureStep) -> None:
    label, name = int(subject.certificate.label), subject.classes[step.label]
    if step.line in double_masking.VOTES:
        st.markdown("How many single masks leave each class. ★: the class with most.")
        votes = double_masking.votes_step(subject.prediction, subject.classes, step.label)
        chart(votes, "step-votes", f"Single masks that leave each class; {name}")
        return
    what = f"Clipped evidence û of '{name}'"
    if step.line in double_masking.LEADS:
        what = f"The lead û_y - û_c of '{subject.classes[label]}' over '{name}'"
    st.markdown(f"{in_markdown(what)}.")
    chart(double_masking.evidence_step(subject.evidence, label, step), "step-map", what)


def _set(line: str) -> str:
    """A line with its indices and powers set as such, in HTML, for a list of Markdown cannot say where it is."""
    indexed = re.sub(r"_([a-z]+'?)", r"<sub>\1</sub>", html.escape(line, quote=False))
    return indexed.replace("*", "<sup>*</sup>")


def _listing(lines: Sequence[Line] | Sequence[FeatureLine], current: Line | FeatureLine) -> str:
    rows = []
    for line in lines:
        marked = ' aria-current="step"' if line is current else ""
        indent = len(line) - len(line.lstrip())
        rows.append(f'<li{marked} style="--indent: {indent}">{_set(line.strip())}</li>')
    return f'<ol class="pg-listing" aria-label="The algorithm">{"".join(rows)}</ol>'

"""The four cases of [PG] Figure 5 (theory §4): to try on a toy board, and for every class of the photo."""

import streamlit as st

from app import links
from app.components.board import board_canvas
from app.components.charts import chart
from app.markup import in_markdown
from app.opening import Opened, about_robust_masking, opened
from app.plots import cases as figures
from app.sidebar import Choices
from app.state import board as choices_of_board
from app.state import windows
from app.views.figure5 import results as casework
from app.views.figure5 import widgets
from app.views.figure5.exercises import EXERCISES
from app.views.figure5.proof import walk_through
from app.views.figure5.results import Filled, Filling
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL, EXAMPLES, Board
from pg_core.defences.patchguard.cases import CaseEvidence
from pg_core.defences.patchguard.certificate import Bound


def show(chosen: Choices | None) -> None:
    """The board first, which needs no network; then the photo, and the proof in words."""
    st.header("Where can the detected window lie?")
    st.markdown(
        "The adversary fills the *malicious window* $w$. For each class, Algorithm 1 masks the *detected window* "
        "$w^*$, the one with the most evidence. There are four possible positions of $w^*$ relative to $w$, and in "
        "each of them the evidence that is left is bounded: **Lemma 1**, drawn in Figure 5 of the paper. The four "
        "boards below differ only in what the adversary puts into $w$; all have one scale of colours."
    )
    _toy()
    st.header("The same on the photo")
    slot = st.empty()
    chosen = about_robust_masking(chosen)
    seen = opened(chosen, slot)
    if seen is not None and chosen is not None:
        _photo(seen, chosen)
    walk_through()


@st.fragment
def _toy() -> None:
    now = choices_of_board.board()
    current = now.evidence.case
    for column, (case, example) in zip(st.columns(4), EXAMPLES.items(), strict=True):
        with column:
            here = " · on your board" if case == current else ""
            st.markdown(f"**Case {case}**{here}  \n{figures.TITLES[case]}")
            chart(casework.example(case), f"example-{case}", figures.in_words(example))
            choices_of_board.case_button(case)
            st.caption(f"{figures.formula(example.evidence, example.threshold)}.")
    st.caption(
        "Dotted orange: malicious window $w$. Solid blue: detected window $w^*$, which is masked. "
        + " ".join(f"*{region}*: {meaning}." for region, meaning in figures.MEANINGS.items())
    )
    st.subheader("Your board")
    left, right = st.columns([5, 6], gap="large")
    # Filled last: the canvas carries the answer to the last edit.
    slot = left.container()
    with left:
        choices_of_board.history_buttons()
        brush = choices_of_board.brush()
        choices_of_board.settings()
    with right:
        _result(now)
    _exercises(now)
    with slot:
        board_canvas(now, brush, figures.in_words(now), choices_of_board.CANVAS, choices_of_board.edited)
        st.caption(
            "Click or draw to paint with the brush; drag ✥ to move w. Keys: arrows choose a cell, 0 to 9 set it, + "
            "and - change it, Enter paints, Shift and arrows move w, z undoes."
        )
    links.write_page()


def _exercises(now: Board) -> None:
    """What is to be done on the board, and how far it is."""
    st.subheader("Three exercises")
    for number, exercise in enumerate(EXERCISES, 1):
        mark = "✔ **Done.**" if exercise.done(now) else "○"
        st.markdown(f"{number}. {exercise.task}\n\n   {mark} On your board: {exercise.so_far(now)}.")


def _result(now: Board) -> None:
    evidence = now.evidence
    st.markdown(f"#### Case {evidence.case}: {figures.TITLES[evidence.case]}")
    st.markdown(f"**{figures.formula(evidence, now.threshold)}.**")
    st.markdown(_table(evidence))
    published, sound = now.lower(Bound.PUBLISHED), now.lower(Bound.SOUND)
    st.markdown(
        f"Whatever is in $w$, Lemma 1 leaves this class **at most** $t/(1 - T)$ = **{evidence.bound:.4g}**, and the "
        f"corrected bound **at least** **{sound:.4g}** (as published in 2021: {published:.4g})."
    )
    if evidence.remaining < published:
        st.error(
            f"✘ The published bound is broken: it promises {published:.4g}, Algorithm 1 leaves s = "
            f"{evidence.remaining:.4g}. The evidence e = {evidence.malicious:.4g} in w has a window detected that "
            f"takes q1 = {evidence.spilled:.4g} of the benign evidence along. The corrected bound, {sound:.4g}, holds."
        )
        if now == COUNTEREXAMPLE:
            rival = COUNTEREXAMPLE_RIVAL.evidence
            st.markdown(
                f"A rival with t = {rival.outside:.4g} spread over the map can hide e = {rival.malicious:.4g} in w "
                f"below T and keep s = {rival.remaining:.4g} > {evidence.remaining:.4g}: it wins, although the "
                "published bound certifies *every* window of this map."
            )
    else:
        st.markdown("Is the bound published for T > 0 right? No:")
    choices_of_board.counterexample_button()


def _table(evidence: CaseEvidence) -> str:
    rows = (
        ("t", "benign evidence outside $w$, out of reach", evidence.outside),
        ("e = q_2 + q_3", "evidence in $w$, the adversary's choice", evidence.malicious),
        ("e' = q_1 + q_2", "evidence in $w^*$, masked", evidence.detected),
        ("q_1", "in r1: benign, masked by mistake", evidence.spilled),
        ("q_2", "in r2: malicious, masked", evidence.caught),
        ("q_3", "in r3: malicious, missed", evidence.missed),
        ("s = t + e - e'", "evidence that is left: the score", evidence.remaining),
    )
    lines = "\n".join(f"| ${letter}$ | {meaning} | {value:.4g} |" for letter, meaning, value in rows)
    return f"| letter | meaning | value |\n|---|---|---:|\n{lines}"


def _photo(seen: Opened, chosen: Choices) -> None:
    clean, shown = seen.clean, seen.shown
    windows.controls(clean, seen.window, chosen.photo)
    _outgrown(seen)
    options = casework.fillings(clean, shown, seen.footprint, seen.window)
    filling = widgets.filling(options)
    filled = casework.filled(clean, shown, seen.footprint, seen.window, filling)
    if filled.window != seen.window:
        st.info(
            f"The patch does not lie in the window at row {seen.window.top}, column {seen.window.left}: this is "
            f"the one that contains it, at row {filled.window.top}, column {filled.window.left}."
        )
    rows = casework.case_table(clean, filled)
    order = casework.by_score(filled)
    counts = casework.counts(filled)
    st.markdown(
        "The case of every class, the largest score first; click a row to draw its class. "
        + ", ".join(f"{count} in case {case}" for case, count in counts.items())
        + "."
    )
    index = widgets.drawn(rows, order, clean.classes, seen.shown_class)
    evidence = filled.evidence[index]
    left, right = st.columns([5, 6], gap="large")
    with left:
        chart(
            figures.case_on_photo(clean, filled.masking, index, filled.window),
            "case-on-photo",
            f"Evidence for {clean.classes[index]} with the malicious and the detected window",
        )
    with right:
        st.markdown(
            f"### '{in_markdown(clean.classes[index])}' is in case {evidence.case}: {figures.TITLES[evidence.case]}"
        )
        st.markdown(f"**{figures.formula(evidence, clean.robust_masking.threshold)}.**")
        st.markdown(_table(evidence))
    st.caption(_said(seen, filled, filling))


def _outgrown(seen: Opened) -> None:
    """Say why a patch is no filling of w, if it is none."""
    simulation, footprint = seen.simulation, seen.footprint
    if simulation is None or footprint is None or not casework.outgrown(seen.clean, footprint):
        return
    patch, framing = simulation.patch, seen.clean.features.framing
    height, width = seen.clean.threat.on_network(framing)
    k_h, k_w = seen.clean.certificate.windows.window_size
    st.info(
        f"The simulated patch of {patch.height}x{patch.width} pixels is larger than the adversary's {height}x{width}, "
        f"so it is outside the threat model: it reaches {footprint.height}x{footprint.width} cells, and no malicious "
        f"window holds more than {k_h}x{k_w}. Figure 5 says nothing of it."
    )


def _said(seen: Opened, filled: Filled, filling: Filling) -> str:
    prediction, alone = seen.clean.classes[int(filled.masking.label)], seen.clean.prediction
    words = f"With {filling} in w, Algorithm 1 predicts '{in_markdown(prediction)}'"
    return words + ("." if prediction == alone else f" instead of '{in_markdown(alone)}'.")

"""The window debugger: why a malicious window is not certified, its counterexample, and what would help."""

from contextlib import nullcontext

import streamlit as st

from app import sidebar
from app.cache import analysis as cached
from app.components.charts import chart
from app.markup import in_markdown
from app.opening import Opened, about_robust_masking, opened, proved
from app.plots import cases as case_figures
from app.sidebar import Choices
from app.state import tables, windows
from app.views.debugger import figure as figures
from app.views.debugger import results as debugging
from app.views.debugger import widgets as controls
from app.views.debugger.widgets import WhatIf
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Certificate, Claim, Verdict
from pg_core.defences.patchguard.explain import Account, Diagnosis
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.patchguard.witness import WindowStatus, Witness
from pg_core.geometry import Window

_MARKS = {Verdict.CERTIFIED: "✔", Verdict.UNDECIDED: "?", Verdict.UNPROVED: "?"}
_STATUSES = {
    WindowStatus.CERTIFIED: "✔ certified: no content of this window changes the prediction",
    WindowStatus.COUNTEREXAMPLE: "✘ feature-space counterexample: a witness changes the prediction",
    WindowStatus.TIED: "✘ tie: the rival can draw level, which is no certificate, but not win",
    WindowStatus.UNDECIDED: "? undecided: the margin is positive, but within the tolerance, which is estimated",
    WindowStatus.OPEN: "? open: neither a certificate nor a counterexample",
}


def show(chosen: Choices | None) -> None:
    """The analysis of the sidebar's choices, window by window."""
    st.header("Why is a window not certified?")
    chosen = about_robust_masking(chosen)
    slot = st.empty()
    seen = opened(chosen, slot)
    if seen is not None and chosen is not None:
        _debugger(chosen, seen)


@st.fragment
def _debugger(chosen: Choices, seen: Opened) -> None:
    base = analysis = seen.clean
    tried = controls.what_if(chosen)
    if tried.differences:
        slot = st.empty()
        analysis = proved(chosen, tried.asked, tried.threat, base.label, slot)
        slot.empty()
    _what_changed(base, analysis, tried)
    place = None if seen.simulation is None else seen.simulation.patch
    malicious = windows.malicious_window(analysis, place, chosen.photo)
    assert isinstance(malicious, Window)
    told = debugging.diagnosis(analysis, malicious)
    status, witness = cached.window_status(analysis, malicious)
    st.subheader(f"The window at row {malicious.top}, column {malicious.left}")
    windows.controls(analysis, malicious, chosen.photo)
    _window(analysis, told, status)
    if status is not WindowStatus.CERTIFIED:
        settings = chosen.choice, tried.asked, tried.threat, analysis.label
        _double_masking(analysis, debugging.double_masking(chosen.photo, *settings), malicious)
    _bounds(analysis, told)
    if witness is not None:
        _witness(analysis, witness)
    _failing(chosen, tried, analysis)
    _letters()


def _what_changed(base: Analysis, analysis: Analysis, tried: WhatIf) -> None:
    change = debugging.change(base, analysis)
    mark = _MARKS.get(analysis.verdict, "✘")
    if not tried.differences:
        st.markdown(
            f"{mark} **{in_markdown(analysis.sentence())}** Change T, c_h, the patch or the evidence above, and see "
            "at once what that does to the windows."
        )
        return
    verdict = (
        f"{base.verdict} → **{analysis.verdict}**"
        if base.verdict != analysis.verdict
        else f"still {base.verdict}"
    )
    counts = f"{change.before} of {change.before_of} windows proved → **{change.after} of {change.after_of}** proved"
    if change.gained is not None:
        counts += f" ({change.gained} newly, {change.lost} no longer)"
    st.markdown(
        f"{mark} With {', '.join(tried.differences)}: {verdict}; {counts}. {in_markdown(analysis.sentence())} "
        "*Everything below is about these settings.*"
    )


def _window(analysis: Analysis, told: Diagnosis, status: WindowStatus) -> None:
    label, rival = (in_markdown(analysis.classes[side.label]) for side in (told.label, told.rival))
    nothing = analysis.certificate.claim is Claim.NOTHING
    left, right = st.columns([5, 6], gap="large")
    with left:
        chart(
            figures.windows_on_photo(analysis, told),
            "debugger-photo",
            f"The photo with the malicious window at row {told.window.top}, column {told.window.left}",
        )
        st.caption(
            f"The photo, with the evidence for '{label}' on it. Dotted orange: malicious window w. Dashed pink: all "
            "pixels that its cells see. Dash-dotted green: the other window w' that costs the label most."
        )
    with right:
        first, second, third = st.columns(3)
        first.metric(
            "Margin",
            f"{told.margin:+.4g}",
            help="lower - upper; a certificate needs more than the tolerance.",
        )
        second.metric(
            "Missing evidence",
            "–" if nothing else f"{max(told.missing, 0):.4g}",
            help=f"How much more '{label}' would have to keep here, the tolerance included, which is estimated.",
        )
        third.metric("Rival", rival, help="The class that comes closest to the label at this window.")
        st.markdown(f"**{_STATUSES[status]}.**")
        threshold = analysis.robust_masking.threshold
        keeps = "keeps, by the published bound, which is wrong for T > 0," if nothing else "keeps at least"
        st.markdown(
            f"- **'{label}' {keeps} {told.label.bound:.4g}.** Of {told.label.total:.4g} in all, "
            f"{told.label.inside:.4g} lie in w, which the adversary may delete: t = {told.label.outside:.4g}. "
            f"{figures.why_label(told.label, threshold)}{_where(told.label)}\n"
            f"- **'{rival}' reaches at most {told.rival.bound:.4g}.** Of {told.rival.total:.4g} in all, "
            f"{told.rival.inside:.4g} lie in w: t = {told.rival.outside:.4g}. "
            f"{figures.why_rival(told.rival, threshold)}\n"
            f"- margin = {told.label.bound:.4g} - {told.rival.bound:.4g} = {told.margin:+.4g}."
        )


def _double_masking(analysis: Analysis, other: Certificate, window: Window) -> None:
    """Whether the same evidence, masked otherwise, proves what robust masking does not."""
    at = window.top, window.left
    margin, rival = float(other.margin[at]), in_markdown(analysis.classes[int(other.rival[at])])
    label = in_markdown(analysis.label)
    unproved = int((~other.proved).sum())
    if other.prediction != other.label:
        told = f"does not predict '{label}' even without a patch"
    elif other.proved[at]:
        told = f"**proves this window**: under any second mask '{label}' leads '{rival}' by {margin:.4g}"
        told += (
            f"; {unproved} of {other.windows.count} windows are not proved there"
            if unproved
            else ", and all others"
        )
    else:
        told = f"does not prove this window either: its least lead over '{rival}' is {margin:+.4g}"
    st.markdown(
        f"*Double masking on features* (page *Compare*) takes this window and any other from all classes alike. It "
        f"{told}."
    )


def _where(account: Account) -> str:
    other = account.other
    return "" if other is None else f" w' is at row {other.top}, column {other.left}."


def _bounds(analysis: Analysis, told: Diagnosis) -> None:
    for column, account, bound in zip(
        st.columns(2), (told.label, told.rival), ("lower", "upper"), strict=True
    ):
        with column:
            name = analysis.classes[account.label]
            st.markdown(f"**From all evidence for '{in_markdown(name)}' to {bound}**")
            chart(
                figures.waterfall(told, account, name),
                f"waterfall-{bound}",
                f"{name}: {account.total:.4g} in all, {account.inside:.4g} in w, {account.outside:.4g} outside, "
                f"{bound} {account.bound:.4g}",
            )


def _witness(analysis: Analysis, witness: Witness) -> None:
    st.subheader("The witness: a feature-space counterexample")
    label, winner = analysis.classes[witness.label], analysis.classes[witness.prediction]
    left, right = st.columns([6, 5], gap="large")
    with left:
        chart(
            figures.witness_maps(analysis, witness),
            "witness-maps",
            f"Evidence for {label} and {winner} before and after, with what Algorithm 1 detects",
        )
    with right:
        st.markdown(
            f"Run on this evidence, which differs from the photo's inside w only, Algorithm 1 predicts "
            f"**'{in_markdown(winner)}'** instead of **'{in_markdown(label)}'**."
        )
        known = debugging.witness_cases(analysis, witness)
        lines = []
        for index in dict.fromkeys((witness.label, witness.prediction)):
            evidence, before = known[index], analysis.masking.scores[index]
            lines.append(
                f"| {in_markdown(analysis.classes[index])} | {before:.4g} | {evidence.remaining:.4g} | "
                f"{evidence.case} | {_detected(witness.masking.window(index))} |"
            )
        st.markdown(
            "| class | score before | score s | case | detected window |\n|---|---:|---:|---|---|\n"
            + "\n".join(lines)
        )
        threshold = analysis.robust_masking.threshold
        for index in dict.fromkeys((witness.label, witness.prediction)):
            st.markdown(
                f"- '{in_markdown(analysis.classes[index])}': {case_figures.inequality(known[index], threshold)}."
            )
        st.caption(
            "Dotted orange: malicious window w. Solid blue: the window w\\* that Algorithm 1 detects and masks. A "
            "witness is legal evidence, but pixels need not be able to bring it about."
        )


def _detected(window: Window | None) -> str:
    return "none" if window is None else f"row {window.top}, column {window.left}"


def _failing(chosen: Choices, tried: WhatIf, analysis: Analysis) -> None:
    st.subheader("All windows that are not certified")
    settings = chosen.choice, tried.asked, tried.threat, analysis.label
    slot, key = st.empty(), (chosen.photo.digest, *settings)
    # Without a threshold no witness needs a program.
    waiting = sidebar.progress(slot, "Looking for a witness in every window that is not certified …", *key)
    with waiting if tried.asked[THRESHOLD] else nullcontext():
        failing = debugging.failing(chosen.photo, *settings)
    slot.empty()
    if not failing:
        st.markdown("✔ There is none.")
        return
    shown = controls.filtered(failing, analysis.classes)
    st.markdown(
        f"{len(shown)} of {len(failing)}; click a column's title to sort, a row to look at its window."
    )
    places = [(failure.window.top, failure.window.left) for failure in shown]
    tables.windows(
        debugging.failure_table(analysis, shown),
        "failing-table",
        lambda row: windows.pick(analysis, chosen.photo, *places[row]),
    )


def _letters() -> None:
    with st.expander("The letters"):
        st.markdown(
            "û `evidence`, clipped to [0, c_h] (`clip_high`); w `window`, the malicious one; w\\* `detected`; w' "
            "`other`; T `threshold`; t `outside`, the evidence outside w; m the most that another window holds of "
            "it, m_o the same over the windows that overlap w, both `taken`; e\\* `hidden`; y `label`, y' `rival`; "
            "s `remaining`; `lower` ≤ score of the label, score of a rival ≤ `upper`; `margin` = lower - upper; "
            "`missing` = tolerance - margin."
        )

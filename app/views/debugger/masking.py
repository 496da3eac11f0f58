"""What the window debugger says of robust masking besides: the branches of its bounds, double masking of the same
evidence, the maps of a witness, and the letters."""

import streamlit as st

from app.components.charts import chart
from app.markup import in_formula, in_markdown
from app.plots import cases as case_figures
from app.views.debugger import figure as figures
from app.views.debugger import results as debugging
from app.views.debugger import text
from pg_core.analysis.photo import Analysis
from pg_core.defences.base import Certificate, Claim
from pg_core.defences.patchguard.explain import Account, Diagnosis
from pg_core.defences.patchguard.witness import Witness
from pg_core.geometry import Window


def branches(analysis: Analysis, told: Diagnosis) -> None:
    """Which branch of each bound applies, in words and numbers."""
    label, rival = (in_markdown(analysis.classes[side.label]) for side in (told.label, told.rival))
    threshold = analysis.robust_masking.threshold
    nothing = analysis.certificate.claim is Claim.NOTHING
    keeps = "by the published bound, which is wrong for $T > 0$," if nothing else "at least"
    margin = in_formula(f"margin = {told.label.bound:.4g} - {told.rival.bound:.4g} = {told.margin:+.4g}")
    st.markdown(
        f"- **The score of '{label}' is {keeps} {told.label.bound:.4g}.** Of {told.label.total:.4g} in all, "
        f"{told.label.inside:.4g} lie in $w$, which the adversary may delete: "
        f"{in_formula(f't = {told.label.outside:.4g}')}. "
        f"{text.why_label(told.label, threshold)}{_where(told.label)}\n"
        f"- **The score of '{rival}' is at most {told.rival.bound:.4g}.** Of {told.rival.total:.4g} in all, "
        f"{told.rival.inside:.4g} lie in $w$: {in_formula(f't = {told.rival.outside:.4g}')}. "
        f"{text.why_rival(told.rival, threshold)}\n"
        f"- {margin}."
    )


def double_masking(analysis: Analysis, other: Certificate, window: Window) -> None:
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
        f"*Double masking on features* (page *Compare*) masks the same window for all classes, and any second one. "
        f"It {told}."
    )


def witness_found(analysis: Analysis, witness: Witness) -> None:
    """The evidence that is a counterexample, and what Algorithm 1 does with it."""
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
                f"- '{in_markdown(analysis.classes[index])}': {case_figures.formula(known[index], threshold)}."
            )
        st.caption(
            "Dotted orange: malicious window w. Solid blue: the window w\\* that Algorithm 1 detects and masks. A "
            "witness is legal evidence, but pixels need not be able to bring it about."
        )


def letters() -> None:
    """The glossary's names of the letters on this page."""
    with st.expander("Notation"):
        st.markdown(
            r"$\hat u$ `evidence`, clipped to $[0, c_h]$ (`clip_high`); $w$ `window`, the malicious one; $w^*$ "
            r"`detected`; $w'$ `other`; $T$ `threshold`; $t$ `outside`, the evidence outside $w$; $m$ the largest "
            r"evidence in any other window (may be masked by mistake), and $m_o$ the largest in one that overlaps "
            r"$w$, both `taken`; $e^*$ `hidden`; $y$ `label`, $y'$ `rival`; $s$ `remaining`; `lower` $\le s_y$ and "
            r"$s_{y'} \le$ `upper`; `margin` = lower - upper; `missing` = tolerance - margin."
        )


def _where(account: Account) -> str:
    other = account.other
    return "" if other is None else f" $w'$ is at row {other.top}, column {other.left}."


def _detected(window: Window | None) -> str:
    return "none" if window is None else f"row {window.top}, column {window.left}"

"""The window debugger: why a malicious window, or a placement of the patch, is not certified by the chosen defence,
its counterexample, and what would help."""

import math
from contextlib import nullcontext

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import links, proving, sidebar
from app.cache import analysis as cached
from app.components.charts import chart
from app.markup import in_markdown
from app.opening import Opened, opened, proved
from app.sidebar import Choices
from app.state import tables, windows
from app.views.debugger import figure as figures
from app.views.debugger import masking, text
from app.views.debugger import results as debugging
from app.views.debugger import widgets as controls
from app.views.debugger.widgets import WhatIf
from pg_core.analysis.photo import Analysis
from pg_core.analysis.words import places
from pg_core.defences.base import Claim, Verdict
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.patchguard.witness import WindowStatus, Witness
from pg_core.defences.spec import Explanation
from pg_core.geometry import Box, Window

_MARKS = {Verdict.CERTIFIED: "✔", Verdict.UNDECIDED: "?", Verdict.UNPROVED: "?"}


def show(chosen: Choices | None) -> None:
    """The analysis of the sidebar's choices, position by position."""
    st.header("Why is a window not certified?")
    slot = st.empty()
    seen = opened(chosen, slot)
    if seen is not None and chosen is not None:
        _debugger(chosen, seen)


@st.fragment
def _debugger(chosen: Choices, seen: Opened) -> None:
    tried, slot = controls.what_if(chosen), st.empty()
    analysis = _under(chosen, seen.clean, tried, slot)
    if analysis is None:
        return
    _what_changed(seen.clean, analysis, tried)
    place = None if seen.simulation is None else seen.simulation.patch
    malicious = windows.malicious_window(analysis, place, chosen.photo)
    st.subheader(f"The {text.place(malicious)}")
    windows.controls(analysis, malicious, chosen.photo)
    witness = None
    if isinstance(analysis.defence, RobustMasking) and isinstance(malicious, Window):
        witness = _of_robust_masking(chosen, tried, analysis, malicious)
    else:
        _of_any_defence(analysis, malicious)
    _failing(chosen, tried, analysis)
    if witness is not None:
        masking.witness_found(analysis, witness)
    proving.certificate_file(chosen, analysis)
    if isinstance(analysis.defence, RobustMasking):
        masking.letters()
    links.write_page()


def _under(chosen: Choices, base: Analysis, tried: WhatIf, slot: DeltaGenerator) -> Analysis | None:
    """The analysis under the settings that are tried; None if the defence refuses them, which it says."""
    if not tried.differences:
        return base
    try:
        analysis = proved(chosen, tried.asked, tried.threat, base.label, slot)
    except ValueError as error:
        slot.error(in_markdown(str(error)))
        return None
    slot.empty()
    return analysis


def _what_changed(base: Analysis, analysis: Analysis, tried: WhatIf) -> None:
    mark, what = _MARKS.get(analysis.verdict, "✘"), places(analysis.certificate)
    if not tried.differences:
        invited = f" Change the settings above, and see at once what that does to the {what}."
        st.markdown(f"{mark} **{in_markdown(analysis.sentence())}**{invited if tried.offered else ''}")
        return
    change = debugging.change(base, analysis)
    verdict = (
        f"{base.verdict} → **{analysis.verdict}**"
        if base.verdict != analysis.verdict
        else f"still {base.verdict}"
    )
    counts = f"{change.before} of {change.before_of} {what} proved → **{change.after} of {change.after_of}** proved"
    if change.gained is not None:
        counts += f" ({change.gained} newly certified, {change.lost} newly failing)"
    st.markdown(
        f"{mark} With {', '.join(tried.differences)}: {verdict}; {counts}. {in_markdown(analysis.sentence())} "
        "*Everything below is about these settings.*"
    )


def _of_robust_masking(
    chosen: Choices, tried: WhatIf, analysis: Analysis, malicious: Window
) -> Witness | None:
    """Why the window fails; its witness, whose maps come after the table."""
    told, label = debugging.diagnosis(analysis, malicious), in_markdown(analysis.label)
    status, witness = cached.window_status(analysis, malicious)
    left, right = st.columns([5, 6], gap="large")
    with left:
        chart(
            figures.position_on_photo(analysis, malicious, other=told.label.other),
            "debugger-photo",
            f"The photo with the malicious {text.place(malicious)}",
        )
        st.caption(
            f"The photo, with the evidence for '{label}' on it. Dotted orange: malicious window w. Dashed pink: all "
            "pixels that its cells see. Dash-dotted green: the other window w' that costs the label most."
        )
    with right:
        _metrics(
            analysis,
            malicious,
            told.margin,
            told.missing,
            "Missing evidence",
            f"How much larger the lower bound of the score of '{label}' would have to be here, the tolerance "
            "included, which is estimated.",
        )
        st.markdown(f"**{text.status(analysis, malicious, status, None)}.**")
        _among_the_best(analysis, malicious)
        masking.branches(analysis, told)
    if status is not WindowStatus.CERTIFIED:
        settings = chosen.choice, tried.asked, tried.threat, analysis.label
        masking.double_masking(analysis, debugging.double_masking(chosen.photo, *settings), malicious)
    _bounds(analysis, figures.by_branch(analysis.explanation(malicious), told), "From all evidence for")
    return witness


def _of_any_defence(analysis: Analysis, malicious: Box) -> None:
    told, label = analysis.explanation(malicious), int(analysis.certificate.label)
    lower, upper = text.bounds(analysis, malicious)
    masked = analysis.masked(label)
    left, right = st.columns([5, 6], gap="large")
    with left:
        chart(
            figures.position_on_photo(analysis, malicious, masked),
            "debugger-photo",
            f"The photo with the malicious {text.place(malicious)}",
        )
        st.caption(text.legend(analysis, malicious, len(masked), figures.MASKS))
    with right:
        _metrics(
            analysis,
            malicious,
            told.margin,
            told.missing,
            "Missing",
            f"How much larger the lower bound would have to be here, in the units of {analysis.spec.title}, the "
            "tolerance included, which is estimated.",
        )
        st.markdown(f"**{text.status(analysis, malicious, *analysis.known(malicious))}.**")
        _among_the_best(analysis, malicious)
        st.markdown(
            f"- **lower bound = {text.number(told.lower.bound)}**: {lower}.\n"
            f"- **upper bound = {text.number(told.upper.bound)}**: {upper}.\n"
            f"- margin = lower bound - upper bound = {text.number(told.margin, signed=True)}."
        )
    _bounds(analysis, told, "The terms for")
    if isinstance(malicious, Window):
        st.caption(
            "w is the malicious window, w' any other one. û, u and v are what the defence adds up in each cell."
        )


def _metrics(
    analysis: Analysis, at: Box, margin: float, missing: float, missing_title: str, missing_help: str
) -> None:
    nothing = analysis.certificate.claim is Claim.NOTHING
    first, second, third = st.columns(3)
    first.metric(
        "Margin",
        text.number(margin, signed=True),
        help="Lower bound of the label's score less upper bound of the rival's; a certificate needs more than the "
        "tolerance.",
    )
    second.metric(missing_title, "–" if nothing else text.number(max(missing, 0)), help=missing_help)
    third.metric(
        "Rival",
        in_markdown(analysis.rival(at)),
        help=f"The class that comes closest to the label at this {text.place(at, one=True)}.",
    )


def _among_the_best(analysis: Analysis, at: Box) -> None:
    """What is proved of the label's place among all classes, where the defence ranks them."""
    told = text.among_the_best(analysis, at)
    if told is not None:
        st.markdown(told, help=text.BEST)


def _bounds(analysis: Analysis, told: Explanation, title: str) -> None:
    sides = (told.lower, told.upper), (told.upper, told.lower), ("lower", "upper")
    for column, fall, other, bound in zip(st.columns(2), *sides, strict=True):
        with column:
            name = analysis.classes[fall.label]
            st.markdown(f"**{title} '{in_markdown(name)}' to the {bound} bound**")
            chart(figures.waterfall(fall, other, name), f"waterfall-{bound}", figures.in_words(fall, name))
            if not all(math.isfinite(term.value) for term in fall.terms):
                st.caption(
                    "Hatched, with an arrow: without a bound. The bar ends where the figure does, at no value."
                )


def _failing(chosen: Choices, tried: WhatIf, analysis: Analysis) -> None:
    certificate = analysis.certificate
    what, count = places(certificate), int((~certificate.proved).sum())
    st.subheader(f"All {what} that are not certified")
    settings = chosen.choice, tried.asked, tried.threat, analysis.label
    slot, key = st.empty(), (chosen.photo.digest, *settings)
    # Without a threshold no witness of robust masking needs a program.
    quick = THRESHOLD in tried.asked.spec.parameters and not tried.asked[THRESHOLD]
    looking = f"Looking for a witness in every {places(certificate, one=True)} that is not certified …"
    with nullcontext() if quick else sidebar.progress(slot, looking, *key):
        failing = debugging.failing(chosen.photo, *settings)
    slot.empty()
    if not failing:
        st.markdown("✔ There is none.")
        return
    shown = controls.filtered(failing, analysis)
    st.markdown(
        f"{len(shown)} of {len(failing)}; click a column's title to sort, a row to look at its "
        f"{text.place(certificate.worst, one=True)}."
    )
    for note in text.left_out(analysis, count, len(failing), debugging.TRIED):
        st.caption(note)
    rows = [one.position for one in shown]
    tables.windows(
        debugging.failing_table(analysis, shown),
        "failing-table",
        lambda row: windows.pick(analysis, chosen.photo, *rows[row]),
    )

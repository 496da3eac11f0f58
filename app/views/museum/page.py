"""The museum of unsound bounds: what was published, an attack on it that is made on the spot, and what holds."""

import streamlit as st

from app.components.charts import chart
from app.state import pages
from app.views.museum.figure import evidence_maps
from pg_core.analysis.exhibits import Bounds, Exhibit, exhibits
from pg_core.defences.patchguard.masking import Masking

_INTRODUCTION = """
A proof is worth as much as its weakest line, and random attacks do not find a wrong one: against the first bound here
they broke 1 certificate of 107,712, an *informed* adversary 53 of 746. These were found by reading, recomputing and
attacking work that this program stands on, and for which we are grateful. None of them is used here. Each is shown on
a map small enough to be followed by hand.
"""


def show() -> None:
    """One exhibit at a time; nothing on this page depends on a photo."""
    st.header("Museum of unsound bounds")
    st.markdown(_INTRODUCTION)
    shown = {exhibit.name: exhibit for exhibit in exhibits()}
    names = list(shown)
    name = st.selectbox(
        "Exhibit",
        names,
        format_func=lambda one: f"{names.index(one) + 1}. {shown[one].title}",
        key=pages.option("exhibit", names, names[0]),
    )
    _exhibit(shown[name])


def _exhibit(exhibit: Exhibit) -> None:
    st.subheader(exhibit.title)
    words, picture = st.columns([1, 1], gap="large")
    with words:
        st.markdown(f"**As published.** {exhibit.printed}")
        st.markdown(f"**What is wrong.** {exhibit.error}")
        st.markdown(f"**Since then.** {exhibit.since}")
        st.markdown(_table(exhibit))
        st.caption(
            f"{exhibit.corrected}. Class {exhibit.label} is to be certified; bounds in the defence's own units."
        )
        attacked = st.toggle(
            "Break it",
            key=f"museum-break-{exhibit.name}",
            help="Puts other contents into the dotted cells, and runs the defence on them.",
        )
    attack = exhibit.broken()
    broken = attack if attacked else None
    with words:
        if broken is None:
            st.info(
                f"Without a patch the answer is class {int(exhibit.clean.label)}, and it is called certified."
            )
        else:
            corrected = int(broken.corrected.label)
            after = (
                f" With what was corrected the answer stays class {corrected}."
                if corrected == exhibit.label
                else " The bound that holds gives no certificate here."
            )
            scores = broken.prediction.scores
            won = int(broken.prediction.label)
            st.error(
                f"✘ **Broken.** Class {won} wins with {scores[won]:.4g} against {scores[exhibit.label]:.4g} of class "
                f"{exhibit.label}, by contents of the dotted cells alone, although a certificate was given.{after}"
            )
    with picture:
        logits = exhibit.local_logits if broken is None else broken.local_logits
        rival = int(attack.prediction.label)
        what = "With the attack" if broken is not None else "Without a patch"
        prediction = exhibit.clean if broken is None else broken.prediction
        pair = exhibit.label, rival
        masked = [prediction.window(index) if isinstance(prediction, Masking) else None for index in pair]
        solid = "; solid: the window that is masked" if any(masked) else ""
        st.markdown(f"{what}. Dotted: the cells that one patch can corrupt{solid}.")
        chart(
            evidence_maps(exhibit.evidence(logits), pair, exhibit.where, masked),
            "museum-evidence",
            f"{what}: the evidence of class {pair[0]} and of class {pair[1]}",
        )


def _table(exhibit: Exhibit) -> str:
    """Both bounds, side by side."""
    printed, holds = exhibit.as_printed(), exhibit.holds()
    rows = [("as published", printed), ("as it holds", holds)]
    lines = [
        f"| {name} | {bound.lower:.4g} | {bound.upper:.4g} | {_verdict(bound)} |" for name, bound in rows
    ]
    return "\n".join(["| bound | label at least | rival at most | verdict |", "|---|---:|---:|---|", *lines])


def _verdict(bound: Bounds) -> str:
    return "✔ certified" if bound.certified else "✘ not certified"

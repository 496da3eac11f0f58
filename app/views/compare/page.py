"""The comparison page: what every defence says of one photo, on the same window, and why two of them differ."""

import streamlit as st

from app import sidebar
from app.components.maps import maps_canvas
from app.markup import in_markdown
from app.opening import opened
from app.sidebar import Choices
from app.state import windows
from app.views.compare import figure as figures
from app.views.compare import results as defences
from app.views.compare import widgets
from app.views.compare.results import Reckoning
from pg_core.analysis.comparison import Comparison, DefenceResult
from pg_core.defences.base import Claim, DefenceInput
from pg_core.defences.spec import DefenceConfig
from pg_core.geometry import Window
from pg_core.io.progress import Progress

_CANVAS = "comparison"
_BASELINE = "undefended"


def show(chosen: Choices | None) -> None:
    """All defences against the patch of the sidebar."""
    st.header("Compare defences")
    slot = st.empty()
    # Windows are picked as those of robust masking, whichever defence is chosen.
    chosen = None if chosen is None else chosen.robust_masking
    seen = opened(chosen, slot)
    if seen is None or chosen is None:
        return
    config = defences.configuration(chosen, widgets.alert_threshold(), widgets.masks_per_axis())
    label = sidebar.certified_label()
    found = defences.comparison(chosen.photo, chosen.choice, config, label)
    window = seen.window

    st.dataframe(defences.table(found, window), hide_index=True, width="stretch")
    if not found.results:
        st.caption(defences.left_out(found))
        _settings(chosen, config)
        return
    maps_canvas(
        figures.maps(found, window),
        found.windows.shape,
        window,
        figures.in_words(found, window),
        _CANVAS,
        lambda: widgets.follow(found, seen.clean, chosen.photo, _CANVAS),
    )
    st.caption(
        "Dotted orange: the malicious window on the photo. Blue: positive margin. Red: negative. ✕: not certified. ○: "
        "undecided. Each map is divided by its own largest margin, since units differ. Click any map, or use the "
        "arrow keys, to mark a window in all; where a defence certifies places of the patch, the box holds all whose "
        "footprint lies in the window."
    )
    st.caption(
        "Each defence certifies the label of the sidebar, or its own prediction; the time is that of prediction and "
        f"certificate. {defences.left_out(found)}"
    )
    _settings(chosen, config)
    st.subheader(f"The window at row {window.top}, column {window.left}")
    windows.controls(seen.clean, window, chosen.photo)
    pair = widgets.pair(found, window)
    if pair is not None:
        st.markdown(_verdict(found, pair, window))
        for column, one in zip(st.columns(2, gap="large"), pair, strict=True):
            with column:
                _account(found, one, window)
    st.download_button(
        "All windows of all defences as CSV",
        lambda: defences.lines(found),
        f"{chosen.photo.name.rsplit('.', 1)[0]}-defences.csv",
        "text/csv",
        on_click="ignore",
    )


def _settings(chosen: Choices, config: DefenceConfig) -> None:
    """What the sidebar does not ask, and the start of what takes long, with its progress."""
    with st.expander("Settings of PatchGuard++ (detection), and PatchCleanser (double masking on pixels)"):
        widgets.ask_alert_threshold()
        st.markdown(
            "Double masking takes two rounds of masks, one of which hides the patch wherever it is: if the label "
            "leads under every pair of masks, no patch can change it. On features it masks sums, at once; masks of "
            "grey pixels suit any classifier, here the undefended network, which runs again for each pair."
        )
        widgets.ask_masks_per_axis()
        if not st.button("Run the network under every pair of masks"):
            return
        bar = st.progress(0.0, "Masking …")

        def report(progress: Progress) -> None:
            bar.progress(progress.done / progress.total, str(progress))

        try:
            defences.try_pairs(chosen.photo, chosen.choice, config, report)
        except ValueError as error:
            bar.empty()
            st.error(in_markdown(str(error)))
            return
        st.rerun()  # the table above was drawn before


def _verdict(found: Comparison, pair: tuple[DefenceResult, DefenceResult], window: Window) -> str:
    names = [one.spec.title for one in pair]
    proving = [found.proves(one, window) for one in pair]
    if pair[0].name == pair[1].name:
        return f"Choose two different defences to compare; both are *{names[0]}*."
    if all(proving):
        return f"✔ Both *{names[0]}* and *{names[1]}* certify this window."
    if not any(proving):
        return f"✘ Neither *{names[0]}* nor *{names[1]}* certifies this window."
    one, other = names if proving[0] else reversed(names)
    return f"This window is certified by **{one}**, and not by **{other}**."


def _account(found: Comparison, one: DefenceResult, window: Window) -> None:
    st.markdown(f"**{one.spec.title}**: {defences.proved_in_words(found, one, window)}")
    reckoned = defences.reckoning(found, one, window)
    if reckoned is None:
        st.caption(f"{one.defence}. No place of the patch has its footprint in this window.")
        return
    names = {"label": in_markdown(reckoned.label), "rival": in_markdown(reckoned.rival)}
    below, above = (words.format(**names) for words in (one.spec.lower, one.spec.upper))
    if one.certificate.claim is Claim.NOTHING and one.name != _BASELINE:
        below = f"the score of '{names['label']}' by the published bound, which is wrong for T > 0"
    rows = (
        ("lower bound", below, f"{reckoned.lower:.4f}"),
        ("upper bound", above, f"{reckoned.upper:.4f}"),
        ("margin", f"lower bound - upper bound, for {reckoned.place}", f"{reckoned.margin:+.4f}"),
    )
    table = "\n".join(f"| {name} | {meaning} | {value} |" for name, meaning, value in rows)
    st.markdown(f"| bound | term | value |\n|---|---|---:|\n{table}")
    st.caption(f"{one.defence}. {in_markdown(_conclusion(one, reckoned))}")


def _conclusion(one: DefenceResult, reckoned: Reckoning) -> str:
    if one.certificate.prediction != one.certificate.label:
        return f"It does not predict '{reckoned.label}' even without a patch, so there is nothing to prove."
    if one.spec.input is DefenceInput.PIXELS and reckoned.margin > reckoned.tolerance:
        return (
            f"Whatever is there, '{reckoned.label}' stays ahead of '{reckoned.rival}' in the network as computed in "
            "float64, which the certificate is about; the float32 network of the other rows rounds otherwise."
        )
    if one.certificate.claim is Claim.NOTHING and one.name == _BASELINE:
        return "Without a defence nothing is claimed: one logit in the window may be as large as the patch makes it."
    if one.certificate.claim is Claim.NOTHING:
        return "Its bound is wrong for T > 0, and claims nothing."
    if reckoned.margin > reckoned.tolerance and one.certificate.claim is Claim.LABEL_OR_ALERT:
        return f"Whatever is there, the answer is '{reckoned.label}' or an alert."
    if reckoned.margin > reckoned.tolerance:
        return (
            f"Whatever is there, '{reckoned.label}' stays ahead of '{reckoned.rival}', its strongest rival."
        )
    if reckoned.margin > 0:
        return f"'{reckoned.label}' is ahead, but by less than the estimated tolerance, {reckoned.tolerance:.2g}."
    if reckoned.attacked is not None:
        return (
            f"With as much as evidence can be for '{reckoned.rival}' in every cell of the window, it says "
            f"'{reckoned.attacked}': a feature-space counterexample. It may not be realisable by a pixel patch."
        )
    if one.spec.witness is not None and reckoned.margin < 0:
        return (
            "No certificate, and the content that is a witness for logits without c_h is none here: not known. "
            f"'{reckoned.rival}' may or may not be able to pass '{reckoned.label}'."
        )
    return f"'{reckoned.rival}' can draw level with '{reckoned.label}', or pass it, as far as this bound can tell."

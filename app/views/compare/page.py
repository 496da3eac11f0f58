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
from app.views.compare import widgets as choices_of_lineup
from app.views.compare.results import Reckoning
from pg_core.analysis.comparison import Contender, Lineup
from pg_core.defences.base import Claim
from pg_core.defences.registry import TITLES, Fitting, Kind
from pg_core.geometry import Window
from pg_core.io.progress import Progress

_BOUNDS = {
    Kind.UNDEFENDED: (
        "the logits of '{label}' outside the window, summed",
        "no bound: one logit in the window may be as large as the patch makes it",
    ),
    Kind.MASKING: (
        "what '{label}' keeps at least: its evidence outside the window, less what the best other window takes",
        "what '{rival}' reaches at most: its evidence outside the window, over 1 - T",
    ),
    Kind.CLIPPING: (
        "'{label}' outside the window, and the least value that evidence can have in each of its cells",
        "'{rival}' outside the window, and the largest value in each of its cells",
    ),
}
_BOUNDS[Kind.MASK_DS] = _BOUNDS[Kind.MASKING]
_BOUNDS[Kind.SMOOTHING] = (
    "the votes of '{label}' in bands that the patch does not meet",
    "the votes of '{rival}' there, and one of each band that the patch meets, less one if it loses a tie",
)
_BOUNDS[Kind.DETECTION] = (
    "log of the confidence in '{label}' without the window",
    "log of τ, or of the confidence in '{rival}' if that is larger",
)
_BOUNDS[Kind.FEATURE_MASKING] = (
    "the lead of '{label}' over '{rival}' in evidence outside the window",
    "the most of this lead that the best other window takes, from both",
)
_BOUNDS[Kind.DOUBLE_MASKING] = (
    "the logit of '{label}' under the worst pair of a mask that hides the patch and any other",
    "the logit of '{rival}' under the same two masks",
)
_BOUNDS[Kind.INTERVAL] = (
    "the least lead of '{label}' over '{rival}', whatever the pixels of the patch",
    "0: the label must be ahead",
)
_OF_ANY = "what '{label}' keeps at least", "what '{rival}' reaches at most"
_CANVAS = "lineup"


def show(chosen: Choices | None) -> None:
    """All defences against the patch of the sidebar."""
    st.header("All defences, on the same window")
    slot = st.empty()
    seen = opened(chosen, slot)
    if seen is None or chosen is None:
        return
    field, defence = seen.clean.features.receptive_field, chosen.defence
    fitting = Fitting(
        field,
        seen.clean.features.framing.image_size,
        defence.evidence,
        chosen.patch_size,
        defence.threshold,
        defence.clip_high,
        defence.bound,
        choices_of_lineup.alert_threshold(),
        masks_per_axis=choices_of_lineup.masks_per_axis(),
    )
    label = sidebar.certified_label()
    found = defences.lineup(chosen.photo, chosen.choice, fitting, label)
    window = seen.malicious

    st.dataframe(defences.table(found, window), hide_index=True, width="stretch")
    for gone in found.absent:
        st.caption(f"*{TITLES[gone.kind]}* is not among them: {in_markdown(gone.reason)}.")
    _settings(chosen, fitting)
    st.caption(
        "Each defence certifies the label of the sidebar, or its own prediction. The network ran once for all of "
        "them; the time is that of prediction and certificate, when they were computed."
    )
    if not found.contenders:
        return
    maps_canvas(
        figures.maps(found, window),
        found.windows.shape,
        window,
        figures.in_words(found, window),
        _CANVAS,
        lambda: choices_of_lineup.follow(found, seen.clean, chosen.photo, _CANVAS),
    )
    st.caption(
        "Dotted orange: the malicious window on the photo. Margins of two defences have different units, so each map "
        "is divided by its own largest margin: a sign, or zero, means the same everywhere, a shade does not. Blue "
        "is positive, red negative; a cross marks what is not certified, a circle what is undecided. Click any map, "
        "or use "
        "the arrow keys, to mark a window in all; where a defence certifies places of the patch in pixels, the box "
        "holds all places whose footprint lies in the window."
    )
    st.subheader(f"The window at row {window.top}, column {window.left}")
    windows.controls(seen.clean, window, chosen.photo)
    pair = choices_of_lineup.pair(found, window)
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


def _settings(chosen: Choices, fitting: Fitting) -> None:
    """What the sidebar does not ask, and the start of what takes long, with its progress."""
    with st.expander("Settings of PatchGuard++ (detection), and PatchCleanser (double masking on pixels)"):
        choices_of_lineup.ask_alert_threshold()
        st.markdown(
            "Double masking takes two rounds of masks, one of which hides the patch wherever it is: if the label "
            "leads under every pair of masks, no patch can change it. On features it masks sums, at once; masks of "
            "grey pixels suit any classifier, here the undefended network, which runs again for each pair."
        )
        choices_of_lineup.ask_masks_per_axis()
        if not st.button("Run the network under every pair of masks"):
            return
        bar = st.progress(0.0, "Masking …")

        def report(progress: Progress) -> None:
            bar.progress(progress.done / progress.total, str(progress))

        try:
            defences.try_pairs(chosen.photo, chosen.choice, fitting.masks, report)
        except ValueError as error:
            bar.empty()
            st.error(in_markdown(str(error)))
            return
        st.rerun()  # the table above was drawn before


def _verdict(found: Lineup, pair: tuple[Contender, Contender], window: Window) -> str:
    names = [TITLES[one.kind] for one in pair]
    proving = [found.proves(one, window) for one in pair]
    if pair[0].kind is pair[1].kind:
        return f"Choose two different defences to compare; both are *{names[0]}*."
    if all(proving):
        return f"✔ Both *{names[0]}* and *{names[1]}* prove this window."
    if not any(proving):
        return f"✘ Neither *{names[0]}* nor *{names[1]}* proves this window."
    one, other = names if proving[0] else reversed(names)
    return f"This window is proved by **{one}**, and not by **{other}**."


def _account(found: Lineup, one: Contender, window: Window) -> None:
    st.markdown(f"**{TITLES[one.kind]}**: {defences.proved_in_words(found, one, window)}")
    reckoned = defences.reckoning(found, one, window)
    if reckoned is None:
        st.caption(f"{one.defence}. No place of the patch has its footprint in this window.")
        return
    names = {"label": in_markdown(reckoned.label), "rival": in_markdown(reckoned.rival)}
    below, above = (words.format(**names) for words in _BOUNDS.get(one.kind, _OF_ANY))
    if one.certificate.claim is Claim.NOTHING and one.kind is not Kind.UNDEFENDED:
        below = f"what '{names['label']}' keeps by the published bound, which is wrong for T > 0"
    rows = (
        ("lower", below, f"{reckoned.lower:.4f}"),
        ("upper", above, f"{reckoned.upper:.4f}"),
        ("margin", f"lower - upper, for {reckoned.place}", f"{reckoned.margin:+.4f}"),
    )
    table = "\n".join(f"| {name} | {meaning} | {value} |" for name, meaning, value in rows)
    st.markdown(f"| | | value |\n|---|---|---:|\n{table}")
    st.caption(f"{one.defence}. {in_markdown(_conclusion(one, reckoned))}")


def _conclusion(one: Contender, reckoned: Reckoning) -> str:
    if one.certificate.prediction != one.certificate.label:
        return f"It does not predict '{reckoned.label}' even without a patch, so there is nothing to prove."
    if one.kind is Kind.INTERVAL and reckoned.margin > reckoned.tolerance:
        return (
            f"Whatever is there, '{reckoned.label}' stays ahead of '{reckoned.rival}' in the network as computed in "
            "float64, which the certificate is about; the float32 network of the other rows rounds otherwise."
        )
    if one.certificate.claim is Claim.NOTHING and one.kind is Kind.UNDEFENDED:
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
            f"'{reckoned.attacked}': a feature-space counterexample. Whether pixels can do that is another question."
        )
    if one.kind is Kind.FEATURE_MASKING and reckoned.margin < 0:
        return (
            "No certificate, and the content that is a witness for logits without c_h is none here: not known. "
            f"'{reckoned.rival}' may or may not be able to pass '{reckoned.label}'."
        )
    return f"'{reckoned.rival}' can draw level with '{reckoned.label}', or pass it, as far as this bound can tell."

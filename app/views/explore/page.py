"""The main page: a photo's evidence, its masks, and what is proved about every malicious window."""

from collections.abc import Callable
from functools import partial

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import opening, proving, searching, staging
from app.cache import analysis as cached
from app.cache import patches
from app.components.charts import chart
from app.components.first_paint import PLACE, first_paint
from app.markup import in_markdown
from app.opening import Classes, Opened
from app.plots.scores import in_words, scores
from app.searching import Subject
from app.sidebar import Choices
from app.state import patch, searches, windows
from app.views.explore import bounds, exports, text
from app.views.explore.verdict import about_optimised, about_pixels, introduce, verdict
from pg_core.analysis.effect import PatchEffect
from pg_core.analysis.photo import Analysis
from pg_core.analysis.words import among_the_best, number, places
from pg_core.defences.base import Claim, DefenceInput
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.patchguard.witness import WindowStatus
from pg_core.geometry import Box, Window
from pg_core.photos.framing import Space
from pg_core.plots.figure import Format


def show(chosen: Choices | None, debugger: StreamlitPage, about: StreamlitPage, story: StreamlitPage) -> None:
    """Analyse what is chosen in the sidebar, and show it."""
    introduce(story, about)
    # One place for what is going on, what went wrong, and what is proved; one for what the pixels did.
    with st.container(key="verdict"):  # as high as it will be
        slot = st.empty()
    about_pixels_slot = st.empty()
    stage = st.container(key=PLACE)
    # Filled last, for the tight bound may take a moment, and where it moves no panel.
    about_bounds = st.empty()
    with stage:
        waiting = st.empty()
    if chosen is not None:
        with waiting:
            size = cached.framing(chosen.photo, chosen.choice).image_size
            first_paint(patches.framed_preview(chosen.photo, chosen.choice), size)
    asked = opening.classes(chosen, slot)
    if chosen is None or asked is None:
        waiting.empty()
        return
    clean = cached.analysis(chosen.photo, chosen.choice, chosen.asked, chosen.threat, asked.label)
    searches.collect()
    verdict(slot, clean)
    if chosen.asked.spec.input is DefenceInput.TWO_MASK_PREDICTIONS:
        st.caption(
            "No simulated patch is shown under this defence: the network would have to run again for every pair of "
            "masks at each place of the patch."
        )
    else:
        patch.controls(clean, chosen.patch_size)
    st.caption(
        "Drag the patch, or focus it with Tab: the malicious window follows it. Click a window of the margin map, or "
        "use the arrow keys on the stage, to look at another. Point at a cell to mark it in all panels."
    )
    with stage:
        staging.stage(chosen, asked)
    seen = opening.looked_at(chosen, asked)
    effect = None if seen.simulation is None else PatchEffect(clean, seen.shown, seen.simulation.patch)
    if effect is not None:
        about_pixels(about_pixels_slot, effect)
        about_optimised(effect, patch.optimised_for())
    _photo_alone(clean)
    if effect is not None:
        _patched(effect)
    left, right = st.container(key="explore-numbers").columns(2, gap="large")
    with left:
        _position(clean, seen.malicious, chosen, effect, asked.label)
        st.page_link(debugger, label="Why? Take this to the debugger")
        _search(seen, chosen, asked)
    with right:
        _scores(seen)
    _export(chosen, seen, effect)
    proving.certificate_file(chosen, clean)
    _help()
    if THRESHOLD in chosen.asked.spec.parameters:
        bounds.tell(about_bounds, chosen, asked.label)


def _search(seen: Opened, chosen: Choices, asked: Classes) -> None:
    """What pixels can do in the malicious window, and where the patch is."""
    subject = Subject(chosen, asked.label, seen.clean)
    st.header("What can pixels do?", help=text.SEARCH)
    st.markdown(searching.counted(subject))
    one = places(seen.clean.certificate, one=True)
    here = {f"in this {one}": seen.clean.patch_in(seen.malicious, chosen.patch_size)}
    if seen.simulation is not None:
        here["where the patch is"] = seen.simulation.patch
    searching.panel(subject, here)


def _scores(seen: Opened) -> None:
    photo = "Clean photo" if seen.simulation is None else "Patched photo"
    st.header(f"{photo}: class scores")
    chart(scores(seen.shown), "scores", in_words(seen.shown))


def _photo_alone(clean: Analysis) -> None:
    certificate = clean.certificate
    worst = certificate.worst_position
    columns = st.columns(4)
    columns[0].metric(
        "Clean photo: undefended", in_markdown(clean.undefended_prediction), help=text.UNDEFENDED
    )
    columns[1].metric("Clean photo: defended", in_markdown(clean.prediction), help=clean.spec.sentence)
    what = places(certificate)
    columns[2].metric(
        f"{what.capitalize()} proved",
        f"{certificate.proved.sum()} of {certificate.positions.count}",
        help=text.PROVED_WINDOWS if what == "windows" else text.PROVED_PLACEMENTS,
    )
    columns[3].metric(
        "Smallest margin",
        number(certificate.margin[worst], "+.3f"),
        help="The lower bound of the label's score less the upper bound of its best rival's, in the worst "
        f"{places(certificate, one=True)}. Where something is claimed, a margin above the tolerance, which is "
        f"estimated, is a proof: {certificate.tolerance[worst]:.2g} here.",
    )
    told = among_the_best(clean)
    if told is not None:
        st.caption(in_markdown(told), help=text.BEST)


def _position(
    clean: Analysis, malicious: Box, chosen: Choices, effect: PatchEffect | None, label: str | None
) -> None:
    """The numbers of the malicious window or the placement that is looked at, in the terms of the defence."""
    certificate, told = clean.certificate, clean.explanation(malicious)
    names = {"label": in_markdown(clean.label), "rival": in_markdown(clean.rival(malicious))}
    window = isinstance(malicious, Window)
    st.header(
        "Malicious window" if window else "Placement of the patch",
        help=text.PROVED_WINDOWS if window else text.PROVED_PLACEMENTS,
    )
    windows.controls(clean, malicious, chosen.photo)
    nothing = certificate.claim is Claim.NOTHING
    lower, upper = (words.format(**names) for words in (clean.spec.lower, clean.spec.upper))
    if nothing and isinstance(clean.defence, RobustMasking):
        lower = f"the score of '{names['label']}' by the published bound, which is wrong for T > 0"
    rows = [(f"'{names['label']}': {in_markdown(term.name)}", term.value) for term in told.lower.terms[:-1]]
    rows += [(f"**lower bound**: {lower}", told.lower.bound)]
    rows += [(f"'{names['rival']}': {in_markdown(term.name)}", term.value) for term in told.upper.terms[:-1]]
    rows += [(f"**upper bound**: {upper}", told.upper.bound)]
    ends = "nothing is claimed" if nothing else "certified if above the tolerance"
    rows += [(f"**margin**: lower bound - upper bound; {ends}", told.margin)]
    table = "\n".join(f"| {meaning} | {number(value, '.4f')} |" for meaning, value in rows)
    st.markdown(f"| clean photo | value |\n|---|---:|\n{table}")
    found = searches.found(searches.key_of(chosen, label))
    if (effect is None or not effect.breaks(malicious)) and searches.breaks(clean, found, malicious):
        st.write(
            "✘ **Broken by pixels**: a patch that was found in it changes the defended answer, see below."
        )
    else:
        st.write(_status(clean, malicious, effect))


def _status(clean: Analysis, malicious: Box, effect: PatchEffect | None) -> str:
    """What is known of a position: a proof, pixels or evidence that change the answer, or neither."""
    if effect is not None and effect.breaks(malicious):
        return (
            f"✘ **Broken by pixels**: the simulated patch lies in it and changes the defended answer from "
            f"'{in_markdown(clean.prediction)}' to '{in_markdown(effect.patched.prediction)}'."
        )
    status, found = clean.known(malicious)
    what = "window" if isinstance(malicious, Window) else "patch"
    if status is WindowStatus.CERTIFIED and clean.certificate.claim is Claim.LABEL_OR_ALERT:
        return f"✔ **Certified**: no content of this {what} changes the prediction without an alert."
    if status is WindowStatus.CERTIFIED:
        return f"✔ **Certified**: no content of this {what} changes the prediction."
    if found is not None:
        winner, scores = int(found.prediction.label), found.prediction.scores
        return (
            f"✘ **Feature-space counterexample**: there is evidence for this {what} with which the defence, run on "
            f"it, predicts '{in_markdown(clean.classes[winner])}' ({scores[winner]:.4f}) instead "
            f"of '{in_markdown(clean.label)}' ({scores[found.label]:.4f}). It may not be realisable by a pixel patch: "
            f"search for pixels in this {what} and see."
        )
    if status is WindowStatus.TIED:
        return "✘ **Tie**: the rival can draw level, which is no certificate, but not win."
    if status is WindowStatus.UNDECIDED:
        return "? **Undecided**: the margin is positive, but within the tolerance, which is estimated."
    if clean.spec.witness is None:
        return "? **Open**: no certificate; whether there is a counterexample is *not known*."
    return "? **Open**: neither a certificate nor a counterexample."


def _patched(effect: PatchEffect) -> None:
    clean, shown, patch = effect.clean, effect.patched, effect.patch
    columns = st.columns([1, 1, 2])
    columns[0].metric(
        "Patched photo: undefended",
        in_markdown(shown.undefended_prediction),
        _change(effect.fools_network),
        delta_color="red",
        delta_arrow="off",
    )
    columns[1].metric(
        "Patched photo: defended",
        in_markdown(shown.prediction),
        _change(effect.fools_defence),
        delta_color="red",
        delta_arrow="off",
    )
    footprint = shown.footprint(patch)
    where = f"Patch of {patch.height}x{patch.width} pixels at row {patch.top}, column {patch.left}. "
    if footprint is None:
        where += "No local logit sees it."
    else:
        where += (
            f"{footprint.height}x{footprint.width} local logits see it, rows {footprint.top} to "
            f"{footprint.bottom - 1} and columns {footprint.left} to {footprint.right - 1} (dashed). The "
            "network was run again on their pixels alone."
        )
    if clean.threat.space is Space.PHOTO:
        where += " It fills all pixels that the patch on the original photo can touch: it is stronger."
    columns[2].caption(where)


def _change(changed: bool) -> str | None:
    return "changed by the patch" if changed else None


def _export(chosen: Choices, seen: Opened, effect: PatchEffect | None) -> None:
    """Files that agree with the screen, written when they are asked for."""
    photo = chosen.photo
    weights = cached.network(chosen.choice).weights_sha256
    screen = exports.Screen(seen.clean, seen.malicious, effect, photo.name, photo.digest, weights)
    stem, what = photo.name.rsplit(".", 1)[0], places(seen.clean.certificate).capitalize()
    files: tuple[tuple[str, Callable[[], str | bytes], str, str], ...] = (
        ("Analysis as JSON", partial(exports.analysis_json, screen), "json", "application/json"),
        (f"{what} as CSV", partial(exports.windows_csv, screen), "csv", "text/csv"),
        (f"{what} as LaTeX", partial(exports.windows_latex, screen), "tex", "text/x-tex"),
        *(
            (f"Figure as {form.upper()}", partial(exports.figure, screen, form), str(form), form.mime)
            for form in Format
        ),
    )
    for column, (title, data, ending, mime) in zip(st.columns(6), files, strict=True):
        column.download_button(
            title, data, f"{stem}.{ending}", mime, on_click="ignore", key=f"export-{ending}", width="stretch"
        )


def _help() -> None:
    with st.expander("What do these words mean?"):
        st.markdown(text.GLOSSARY)

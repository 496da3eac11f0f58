"""The main page: a photo's evidence, its masks, and what is proved about every malicious window."""

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import StreamlitPage

from app import opening
from app.cache import analysis as cached
from app.cache import patches
from app.components.charts import chart
from app.components.stage import Data, answer_of, patch_canvas, scene_of
from app.markup import in_markdown
from app.opening import Classes, Opened
from app.sidebar import Choices
from app.state import patch, windows
from app.views.explore import bounds, exports
from app.views.explore.scores import in_words, scores
from pg_core.analysis.photo import Analysis, Answer
from pg_core.analysis.words import number, places
from pg_core.defences.base import Claim, DefenceInput, Verdict
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.spec import THRESHOLD
from pg_core.defences.patchguard.witness import WindowStatus
from pg_core.geometry import Box, Patch, Window
from pg_core.io.json import as_json
from pg_core.photos.framing import Space
from pg_core.plots.figure import Format

_CANVAS = "stage"


def show(chosen: Choices | None, debugger: StreamlitPage) -> None:
    """Analyse what is chosen in the sidebar, and show it."""
    # One place for what is going on, what went wrong, and what is proved.
    slot = st.empty()
    asked = opening.classes(chosen, slot)
    if chosen is None or asked is None:
        return
    clean = cached.analysis(chosen.photo, chosen.choice, chosen.asked, chosen.threat, asked.label)
    _verdict(slot, clean)
    # Filled last: the tight bound may take a moment.
    about_bounds = st.empty()
    stage = st.container()
    if chosen.asked.spec.input is DefenceInput.TWO_MASK_PREDICTIONS:
        st.caption(
            "No simulated patch is shown under this defence: the network would have to run again for every pair of "
            "masks at each place of the patch."
        )
    else:
        patch.controls(clean, chosen.patch_size)
    st.caption(
        "Drag the patch, or take it with Tab. Point at a cell to mark it everywhere; click a window of the margin "
        "map, or use the arrow keys on the stage, to make it the malicious one. Dotted orange: malicious window. "
        "Solid blue: window detected in the class shown and masked. Dashed pink: the cells that the patch reaches. "
        "Margins: blue is positive, red negative; a cross marks a window that is not certified, a circle one that is "
        "undecided."
    )
    with stage:
        patch.expect_canvas()
        _stage(chosen, asked)
    seen = opening.looked_at(chosen, asked)
    _photo_alone(clean)
    left, right = st.columns(2, gap="large")
    with left:
        _position(clean, seen.malicious, chosen)
        st.page_link(debugger, label="Why? Take this to the debugger")
        if seen.simulation is not None:
            _patched(clean, seen.shown, seen.simulation.patch)
    with right:
        _scores(seen)
    _export(clean, chosen, seen)
    _help()
    if THRESHOLD in chosen.asked.spec.parameters:
        bounds.tell(about_bounds, chosen, asked.label)


@st.fragment
def _stage(chosen: Choices, asked: Classes) -> None:
    """The canvas; run alone it answers for the patch where it is, and once that rests the whole page follows."""
    alone, moving = not patch.canvas_expected(), patch.moving()
    seen = opening.looked_at(chosen, asked)
    clean, image_size = seen.clean, seen.clean.features.framing.image_size
    answer = None
    if seen.simulation is not None:
        answer = answer_of(clean, seen.shown, seen.shown_class, seen.simulation.patch)
    patch_canvas(
        None if alone else _scene(seen, chosen, asked),
        answer,
        clean,
        patch.acknowledged(),
        key=_CANVAS,
        on_window=lambda: windows.follow_canvas(clean, chosen.photo, _CANVAS),
        on_patch=lambda: patch.follow_canvas(image_size, chosen.patch_size, _CANVAS),
    )
    if alone and not moving:
        st.rerun()


def _scene(seen: Opened, chosen: Choices, asked: Classes) -> Data:
    place = None if seen.simulation is None else seen.simulation.patch
    proved = None
    if place is not None:
        proved = patches.placements(
            chosen.photo, chosen.choice, chosen.asked, chosen.threat, asked.label, place.size
        )
    return scene_of(seen.clean, seen.shown, seen.shown_class, seen.malicious, place, proved)


def _scores(seen: Opened) -> None:
    where = ""
    if seen.simulation is not None:
        place = seen.simulation.patch
        where = f", with the patch at row {place.top}, column {place.left}"
    st.subheader(f"Class scores{where}")
    chart(scores(seen.shown), "scores", in_words(seen.shown))


def _verdict(slot: DeltaGenerator, clean: Analysis) -> None:
    words = in_markdown(clean.sentence())
    match clean.verdict:
        case Verdict.CERTIFIED:
            slot.success(f"✔ Certified. {words}")
        case Verdict.NOT_CERTIFIED:
            slot.error(f"✘ {words}")
        case Verdict.UNDECIDED | Verdict.UNPROVED:
            slot.warning(f"? {words}")
        case Verdict.MISCLASSIFIED | Verdict.ALERT:
            slot.warning(f"✘ {words}")


def _photo_alone(clean: Analysis) -> None:
    certificate = clean.certificate
    worst = certificate.worst_position
    columns = st.columns(4)
    columns[0].metric("Undefended prediction", in_markdown(clean.undefended_prediction))
    columns[1].metric("Defended prediction", in_markdown(clean.prediction))
    what = places(certificate).capitalize()
    columns[2].metric(f"{what} proved", f"{certificate.proved.sum()} of {certificate.positions.count}")
    columns[3].metric(
        "Smallest margin",
        number(certificate.margin[worst], "+.3f"),
        help="Where something is claimed, a margin above the tolerance, which is estimated, is a proof: "
        f"{certificate.tolerance[worst]:.2g} here.",
    )


def _position(clean: Analysis, malicious: Box, chosen: Choices) -> None:
    """The numbers of the malicious window or the placement that is looked at, in the terms of the defence."""
    certificate, told = clean.certificate, clean.explanation(malicious)
    names = {"label": in_markdown(clean.label), "rival": in_markdown(clean.rival(malicious))}
    window = isinstance(malicious, Window)
    st.subheader("Malicious window" if window else "Placement of the patch")
    windows.controls(clean, malicious, chosen.photo)
    nothing = certificate.claim is Claim.NOTHING
    lower, upper = (words.format(**names) for words in (clean.spec.lower, clean.spec.upper))
    if nothing and isinstance(clean.defence, RobustMasking):
        lower = f"what '{names['label']}' keeps by the published bound, which is wrong for T > 0"
    rows = [(f"'{names['label']}': {in_markdown(term.name)}", term.value) for term in told.lower.terms[:-1]]
    rows += [(f"**lower**: {lower}", told.lower.bound)]
    rows += [(f"'{names['rival']}': {in_markdown(term.name)}", term.value) for term in told.upper.terms[:-1]]
    rows += [(f"**upper**: {upper}", told.upper.bound)]
    ends = "nothing is claimed" if nothing else "certified if above the tolerance"
    rows += [(f"**margin**: lower - upper; {ends}", told.margin)]
    table = "\n".join(f"| {meaning} | {number(value, '.4f')} |" for meaning, value in rows)
    st.markdown(f"| | value |\n|---|---:|\n{table}")
    st.write(_in_feature_space(clean, malicious))


def _in_feature_space(clean: Analysis, malicious: Box) -> str:
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
            f"of '{in_markdown(clean.label)}' ({scores[found.label]:.4f}). Whether pixels can bring it about is "
            "another question."
        )
    if status is WindowStatus.TIED:
        return "✘ **Tie**: the rival can draw level, which is no certificate, but not win."
    if status is WindowStatus.UNDECIDED:
        return "? **Undecided**: the margin is positive, but within the tolerance, which is estimated."
    if clean.spec.witness is None:
        return "? **Open**: no certificate; whether there is a counterexample is *not known*."
    return "? **Open**: neither a certificate nor a counterexample."


def _patched(clean: Analysis, shown: Answer, patch: Patch) -> None:
    footprint = shown.footprint(patch)
    st.subheader("With the simulated patch")
    left, right = st.columns(2)
    left.metric(
        "Without the defence",
        in_markdown(shown.undefended_prediction),
        _change(shown.undefended, clean.undefended),
    )
    right.metric(
        "With the defence",
        in_markdown(shown.prediction),
        _change(int(shown.defended.label), int(clean.defended.label)),
    )
    where = f"Patch of {patch.height}x{patch.width} pixels at row {patch.top}, column {patch.left}. "
    if footprint is None:
        st.write(where + "No local logit sees it.")
    else:
        st.write(
            where + f"{footprint.height}x{footprint.width} local logits see it, rows {footprint.top} to "
            f"{footprint.bottom - 1} and columns {footprint.left} to {footprint.right - 1} (dashed). The "
            "network was run again on their pixels alone."
        )
    if clean.threat.space is Space.PHOTO:
        st.caption(
            "This patch fills all pixels that the patch on the original photo can touch: it is stronger."
        )


def _change(now: int, before: int) -> str | None:
    return None if now == before else "- changed by the patch"


def _export(clean: Analysis, chosen: Choices, seen: Opened) -> None:
    stem = chosen.photo.name.rsplit(".", 1)[0]
    patch = None if seen.simulation is None else seen.simulation.patch
    pictured = seen.malicious, seen.shown, patch
    files: tuple[tuple[str, str | Callable[[], bytes], str, str], ...] = (
        ("Analysis as JSON", as_json(clean.summary(), indent=2), "json", "application/json"),
        ("Windows as CSV", exports.windows_csv(clean), "csv", "text/csv"),
        ("Windows as LaTeX", exports.windows_latex(clean), "tex", "text/x-tex"),
        *(
            (f"Figure as {form.upper()}", exports.figure(clean, form, *pictured), form, form.mime)
            for form in Format
        ),
    )
    for column, (title, data, ending, mime) in zip(st.columns(6), files, strict=True):
        column.download_button(
            title, data, f"{stem}.{ending}", mime, on_click="ignore", key=f"export-{ending}", width="stretch"
        )


def _help() -> None:
    with st.expander("What do these words mean?"):
        st.markdown(
            """
- **Local logits** u: the network classifies each place of the photo from a small *receptive field* of pixels
  around it, so a patch corrupts only the places that see it: a *window* of k = ceil((p + r - 1)/s) cells for
  a patch of p pixels, a receptive field of r and a stride of s (Equation 1).
- **Clipped evidence** û: the part of u between 0 and c_h, as logits, as confidences (sharpened or
  not) or as votes.
- **Robust masking** (Algorithm 1): for each class the window with the most evidence is *detected*, and
removed
  if it holds more than T of all the evidence of the class. The class with the most evidence left is the
  defended prediction.
- **Malicious window** w: where the adversary's patch may be. It controls the evidence inside completely.
- **Margin** (Algorithm 2): *lower*, what the label keeps at least whatever is inside w, less *upper*, what
its
  best *rival* can reach. If the margin is above the tolerance for every window, no patch can change the prediction.
- **A certificate says that no patch can change the answer, not that the answer is right.**

Xiang, Bhagoji, Sehwag, Mittal: *PatchGuard: A Provably Robust Defense against Adversarial Patches via Small
Receptive Fields and Masking*, USENIX Security 2021. The lower bound published there is wrong for T > 0; the
default bound here is the authors' correction of December 2021.
"""
        )

"""Ten questions about the photo that is chosen, drawn by a number, each answered by the engine that proves."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from app.asking import Question, of_numbers
from app.markup import in_markdown
from pg_core.analysis.photo import Analysis, Answer
from pg_core.defences.base import Verdict
from pg_core.defences.patchguard.cases import Case, cases
from pg_core.geometry import Box, Window

THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Of which the quiz asks where a certificate ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The photo under robust masking, the same with a patch in a window if there is one, and what double masking on
    features proves of it."""

    clean: Analysis
    shown: Answer
    window: Window | None
    doubly: Analysis

    @property
    def label(self) -> str:
        """The class that is certified, in Markdown."""
        return in_markdown(self.clean.label)

    def named(self, index: int) -> str:
        """A class, in Markdown."""
        return in_markdown(self.clean.classes[index])

    def strongest(self, count: int) -> list[int]:
        """The classes with most evidence, of the photo as it is shown."""
        totals = self.shown.masking.evidence.sum(axis=(-2, -1))
        return np.argsort(-totals, kind="stable")[:count].tolist()


def drawn(subject: Subject, seed: int) -> tuple[Question, ...]:
    """All ten, in the order of the kinds; the same number draws the same ones."""
    return tuple(kind(subject, np.random.default_rng([seed, number])) for number, kind in enumerate(_KINDS))


def _case(subject: Subject, random: np.random.Generator) -> Question:
    window = subject.window or _window(subject, random)
    index = int(random.choice(subject.strongest(3)))
    defence = subject.clean.robust_masking
    (found,) = (
        cases(defence, subject.clean.masking.evidence, subject.shown.masking, window)[at] for at in (index,)
    )
    detected = subject.shown.masking.window(index)
    where = "no window is detected" if detected is None else f"the window detected is that at {_at(detected)}"
    return Question(
        f"The malicious window is that at {_at(window)}; for '{subject.named(index)}' {where}. Windows have "
        f"{_size(window)} cells. Which case of Figure 5 is it?",
        tuple(str(case) for case in Case),
        str(found.case),
        f"Detected and malicious window share {found.caught:.4g} of evidence, {found.spilled:.4g} is masked by "
        f"mistake, and {found.missed:.4g} missed.",
    )


def _proved(subject: Subject, random: np.random.Generator) -> Question:
    certificate = subject.clean.masking_certificate
    window = _window(subject, random)
    at = window.top, window.left
    threshold = subject.clean.robust_masking.threshold
    t, m, upper = (float(bound[at]) for bound in (certificate.outside, certificate.other, certificate.upper))
    lower = float(certificate.lower[at])
    return Question(
        f"With the window at {_at(window)} malicious, '{subject.label}' has t = {t:.4g} outside, of which one other "
        f"window holds m = {m:.4g}; T = {threshold:g}. The best rival gets at most {upper:.4g}. Is the window proved?",
        ("yes", "no"),
        "yes" if certificate.proved[at] else "no",
        f"The label keeps at least {lower:.4g}: a margin of {lower - upper:+.4g}.",
    )


def _rival(subject: Subject, random: np.random.Generator) -> Question:
    window = _window(subject, random)
    evidence = subject.clean.masking.evidence
    inside = evidence[:, window.top : window.bottom, :].sum(axis=1)
    columns = np.arange(window.left, window.right) % evidence.shape[-1]
    outside = evidence.sum(axis=(-2, -1)) - inside[:, columns].sum(axis=-1)
    rival = int(subject.clean.certificate.rival[window.top, window.left])
    label = int(subject.clean.certificate.label)
    order = [index for index in np.argsort(-outside, kind="stable").tolist() if index not in (rival, label)]
    told = sorted([label, rival, *order[:2]])
    return Question(
        f"Outside the window at {_at(window)} these classes have "
        + ", ".join(f"'{subject.named(index)}' {outside[index]:.4g}" for index in told)
        + f". Which of them is the rival that the proof of '{subject.label}' is against?",
        tuple(subject.named(index) for index in told),
        subject.named(rival),
        "Of all classes but the label, it has most outside, so its upper bound is the largest.",
    )


def _until_it_fails(subject: Subject, _: np.random.Generator) -> Question:
    defence, evidence = subject.clean.robust_masking, subject.clean.features.local_logits
    delta, label = subject.clean.features.delta, int(subject.clean.certificate.label)
    certified = [
        bool(replace(defence, threshold=threshold).certify(evidence, label, delta).certified)
        for threshold in THRESHOLDS
    ]
    first = next(
        (f"T = {t:g}" for t, holds in zip(THRESHOLDS, certified, strict=True) if not holds),
        "at none of these",
    )
    told = ", ".join(f"{t:g} {'✔' if holds else '✘'}" for t, holds in zip(THRESHOLDS, certified, strict=True))
    return Question(
        f"T goes up from 0 in steps of 0.1 to 0.5. At which is '{subject.label}' not certified for the first time? "
        "(The slider in the sidebar knows.)",
        (*(f"T = {t:g}" for t in THRESHOLDS), "at none of these"),
        first,
        f"{told}.",
    )


def _equation_1(subject: Subject, random: np.random.Generator) -> Question:
    field = subject.clean.features.receptive_field
    patch = int(random.integers(1, max(2, min(subject.clean.features.framing.image_size) // 3)))
    r, s = field.size[1], field.stride[1]
    k = field.window_size((patch, patch))[1]
    return of_numbers(
        f"A cell sees {r} pixels in a row, and cells are {s} pixels apart. How many cells in a row can see a patch "
        f"that is {patch} pixels wide?",
        k,
        (math.ceil(patch / s), k + 1),
        f"k = ceil((p + r - 1)/s) = ceil(({patch} + {r} - 1)/{s}) = {math.ceil((patch + r - 1) / s)}, and not more "
        f"than the map has.",
        digits=4,
    )


def _weakest(subject: Subject, random: np.random.Generator) -> Question:
    certificate = subject.clean.certificate
    worst = certificate.worst
    others = {_at(_window(subject, random)) for _ in range(8)} - {_at(worst)}
    least = float(certificate.margin.min())
    return Question(
        "In which of these windows is the margin smallest?",
        tuple(sorted([_at(worst), *sorted(others)[:2]]))
        if others
        else (_at(worst), "in none: there is one window"),
        _at(worst),
        f"It is {least:+.4g} there, against '{in_markdown(subject.clean.rival(worst))}'.",
    )


def _score(subject: Subject, random: np.random.Generator) -> Question:
    index = int(random.choice(subject.strongest(3)))
    masking = subject.shown.masking
    total, detected = float(masking.evidence[index].sum()), masking.window(index)
    held = 0.0 if detected is None else float(masking.window_sums[index, detected.top, detected.left])
    largest = float(masking.window_sums[index].max())
    return of_numbers(
        f"'{subject.named(index)}' has {total:.4g} of evidence in all. Its largest window holds {largest:.4g}; T = "
        f"{subject.clean.robust_masking.threshold:g}. What is its score under robust masking?",
        total - held,
        (total, total - largest if held == 0.0 and largest else largest),
        f"{'The window is masked' if detected is not None else 'Nothing passes T'}: {total:.4g} - {held:.4g}.",
        digits=4,
    )


def _two_defences(subject: Subject, _: np.random.Generator) -> Question:
    one, two = (int(analysis.certificate.proved.sum()) for analysis in (subject.clean, subject.doubly))
    names = "robust masking", "double masking on features", "both the same"
    same = subject.clean.certificate.prediction == subject.doubly.certificate.prediction
    return Question(
        "Which proves more windows of this photo?",
        names,
        names[2] if one == two else names[0] if one > two else names[1],
        f"Robust masking proves {one}, double masking on features {two} of "
        f"{subject.clean.certificate.positions.count}"
        + ("." if same else "; without a patch the two predict different classes."),
    )


def _answer(subject: Subject, _: np.random.Generator) -> Question:
    shown = subject.shown
    label, found = int(subject.clean.certificate.label), int(shown.masking.label)
    options = list(dict.fromkeys([found, label, shown.undefended, *subject.strongest(3)]))[:3]
    what = "clean" if shown is subject.clean else "patched"
    return Question(
        f"What does robust masking answer for the {what} photo?",
        tuple(sorted(subject.named(index) for index in options)),
        subject.named(found),
        f"It has {float(shown.masking.scores[found]):.4g} left. Without a defence the answer would be "
        f"'{in_markdown(shown.undefended_prediction)}'.",
    )


def _follows(subject: Subject, _: np.random.Generator) -> Question:
    holds = "no patch of this size, wherever it is, changes the answer"
    options = {
        True: holds,
        False: "a proof is missing, which is not yet an attack",
        None: "there is nothing to prove",
    }
    verdict = subject.clean.verdict
    right = (
        options[True]
        if verdict is Verdict.CERTIFIED
        else options[None]
        if verdict is Verdict.MISCLASSIFIED
        else options[False]
    )
    return Question(
        f"The verdict of this photo is '{verdict}'. What follows for '{subject.label}'?",
        (*options.values(), f"the photo shows '{subject.label}'", "a patch that fools it is known"),
        right,
        "A certificate is about patches, and not about whether the answer is right; and a missing proof is no attack.",
    )


_KINDS: tuple[Callable[[Subject, np.random.Generator], Question], ...] = (
    _equation_1,
    _score,
    _answer,
    _case,
    _rival,
    _proved,
    _weakest,
    _follows,
    _until_it_fails,
    _two_defences,
)


def _window(subject: Subject, random: np.random.Generator) -> Window:
    windows = subject.clean.certificate.windows
    return windows.at(int(random.integers(windows.count)))


def _at(window: Box) -> str:
    return f"row {window.top}, column {window.left}"


def _size(window: Window) -> str:
    return f"{window.height}x{window.width}"

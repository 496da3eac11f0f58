"""The screens of the story: what each says, what there is to do, the panels that it speaks of, and its question."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from app.asking import Question
from app.markup import in_markdown
from app.views.story import questions
from app.views.story.questions import Subject


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen; `said` is its sentence, with the numbers of the photo in it, as Markdown; `both_classes` whether the
    maps of the label and of the class that the patch works for are to be compared."""

    title: str
    panels: tuple[int, ...]
    said: Callable[[Subject], str]
    task: str
    question: Callable[[Subject], Question]
    both_classes: bool = False


def _fooled(subject: Subject) -> str:
    effect = subject.effect
    start = "An **adversarial patch** is a piece of an image made to turn the answer of a network. "
    if effect is None or not effect.fools_network:
        answer = in_markdown(subject.clean.undefended_prediction)
        return (
            start
            + f"What is on this photo is none where it is: without a defence the answer stays '{answer}'. Pixels "
            "that do turn it have to be searched for, and placed."
        )
    covered = math.prod(effect.patch.size) / math.prod(subject.clean.features.framing.image_size)
    return (
        start + f"This one covers {100 * covered:.1f} % of the photo, and without a defence "
        f"'{in_markdown(effect.clean.undefended_prediction)}' becomes "
        f"'{in_markdown(effect.patched.undefended_prediction)}'."
    )


def _fields(subject: Subject) -> str:
    (rows, columns), (height, width) = (
        subject.clean.features.map_size,
        subject.clean.features.receptive_field.size,
    )
    return (
        f"This network looks through {rows}x{columns} **small receptive fields** of {height}x{width} pixels, one for "
        "each cell of its map, so a patch reaches only the cells that see it."
    )


def _logits(subject: Subject) -> str:
    return (
        f"For each class there is a map of **local logits**: what each cell says of '{subject.label}', and of each of "
        f"the other {len(subject.clean.classes) - 1:,} classes, from its own field alone."
    )


def _clipped(subject: Subject) -> str:
    defence = subject.clean.robust_masking
    top = min(defence.evidence.top, defence.clip_high)
    return (
        f"Of what a cell says of a class only its **evidence** counts: {defence.evidence.help}, clipped to lie "
        f"between 0 and {top:,g}. However its pixels are changed, a cell can take nothing away from a class, and add "
        f"at most {top:,g}."
    )


def _detected(subject: Subject) -> str:
    threshold = subject.clean.robust_masking.threshold
    share = f", if that is more than T = {threshold:g} of all," if threshold else ""
    height, width = subject.clean.robust_masking.window_size
    return (
        f"A patch can change the cells of one window of {height}x{width} at most, so to win it must have much "
        f"evidence there: for each class the window with most of its evidence{share} is **detected**."
    )


def _masked(subject: Subject) -> str:
    label, other = subject.others
    return (
        f"Each class loses its detected window, the honest '{subject.named(label)}' as well as "
        f"'{subject.named(other)}', and **the class with most left is the answer**: robust masking."
    )


def _bounds(subject: Subject) -> str:
    """Both bounds in the window that is looked at."""
    certificate, at = subject.clean.certificate, subject.seen.malicious
    lower, upper = (float(bound[at.top, at.left]) for bound in (certificate.lower, certificate.upper))
    return (
        f"In the window at row {at.top}, column {at.left} (framed in the margin map): '{subject.label}' keeps at "
        f"least {lower:.4g}, and '{in_markdown(subject.clean.rival(at))}' gets at most {upper:.4g}: a **margin** of "
        f"{lower - upper:+.4g}."
    )


def _proved(subject: Subject) -> str:
    count = subject.clean.certificate.positions.count
    return (
        "Say that one window is the adversary's, with anything in it: then the label keeps at least a **lower "
        "bound**, and a rival gets at most an **upper bound**. If the lower one is larger, by more than the tolerance "
        f"of the arithmetic, in each of the {count} windows, no patch can win: that is the "
        f"proof.\n\n{_bounds(subject)}"
    )


def _printed(subject: Subject) -> str:
    threshold = subject.clean.robust_masking.threshold
    return (
        f"You have chosen T = {threshold:g}. For T > 0 **the bound that was printed in 2021 is wrong**; unless you "
        "chose otherwise, this program uses the one that its authors have put in its place."
    )


SCREENS = (
    Screen(
        "A patch fools a network",
        (1,),
        _fooled,
        "Drag the patch, and read beside the photo what the network says there.",
        questions.about_the_corner,
    ),
    Screen(
        "Small receptive fields",
        (1, 2),
        _fields,
        "Point at a cell of the second panel: the dashed frame on the photo is all that it sees.",
        questions.about_the_footprint,
    ),
    Screen(
        "Local logits",
        (1, 2),
        _logits,
        "Look at the maps of both classes, with these buttons; drag ↔ on the photo to see them without the patch.",
        questions.about_the_cells,
        both_classes=True,
    ),
    Screen(
        "Clipping",
        (1, 2, 3),
        _clipped,
        "Compare a cell under the patch in the second and the third panel: point at it.",
        questions.about_clipping,
        both_classes=True,
    ),
    Screen(
        "Detecting",
        (1, 2, 3),
        _detected,
        "Show the class that the patch works for: as long as the patch has most of its evidence, the solid frame lies "
        "on the dotted one. Drag the patch, and see.",
        questions.about_detection,
        both_classes=True,
    ),
    Screen(
        "Masking",
        (1, 2, 3),
        _masked,
        "Compare the frames of both classes in the third panel: what lies in them is gone. Then answer, and see the "
        "scores.",
        questions.about_masking,
        both_classes=True,
    ),
    Screen(
        "The proof",
        (1, 3, 4),
        _proved,
        "Click windows of the margin map, and find the smallest margin.",
        questions.about_the_proof,
    ),
    Screen(
        "Where it fails, and your attack",
        (1, 4),
        questions.verdict_in_words,
        "Look for crosses in the margin map; where there are none, make the patch larger in the sidebar. Then try to "
        "win in such a window, on the page *Attack*.",
        questions.about_the_weakest,
    ),
)
PATCH, *_, MASKING, _PROOF, FAILURE = SCREENS
PRINTED_BOUND = Screen(
    "The printed bound",
    (4,),
    _printed,
    "See it break step by step, on the page *Steps*: the counterexample, attacked.",
    questions.about_the_printed_bound,
)
"""After the others, where T > 0."""

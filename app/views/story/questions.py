"""A question for each screen of the story, and its answer out of the same numbers as the stage shows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.asking import Question, of_numbers, written
from app.markup import in_markdown
from app.opening import Opened
from pg_core.analysis.effect import PatchEffect
from pg_core.analysis.photo import Analysis, Answer
from pg_core.defences.base import Verdict
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
from pg_core.defences.patchguard.certificate import Bound
from pg_core.geometry import Box


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What the story is told of: the photo under robust masking, the patch on it, and how to ask the network about the
    same patch in the top left corner; both None without a patch."""

    seen: Opened
    effect: PatchEffect | None
    elsewhere: Callable[[], Answer] | None

    @property
    def clean(self) -> Analysis:
        return self.seen.clean

    @property
    def label(self) -> str:
        """The class that the proof is about, in Markdown."""
        return in_markdown(self.clean.label)

    @property
    def cells(self) -> int:
        """Of the map."""
        return math.prod(self.clean.features.map_size)

    @property
    def others(self) -> tuple[int, int]:
        """The label, and the class that the patch works for: what the network says with it, or else the rival of the
        worst window."""
        label, said = int(self.clean.certificate.label), self.seen.shown.undefended
        worst = self.clean.certificate.worst
        return label, said if said != label else int(self.clean.certificate.rival[worst.top, worst.left])

    def named(self, index: int) -> str:
        """A class, in Markdown."""
        return in_markdown(self.clean.classes[index])


def about_the_corner(subject: Subject) -> Question:
    """Whether the patch fools the network in another corner, too."""
    if subject.elsewhere is None or subject.effect is None or not subject.effect.fools_network:
        return of_numbers(
            "Without a defence, how many cells have a say in the answer?",
            subject.cells,
            (1, subject.cells // 2),
            "All of them: it is the class with the largest mean over the map.",
        )
    there = subject.elsewhere()
    changed = there.undefended != subject.clean.undefended
    return Question(
        "The same pixels in the top left corner: does the network without a defence change its answer there, too?",
        ("yes", "no"),
        "yes" if changed else "no",
        f"There it says '{in_markdown(there.undefended_prediction)}'; without a patch, "
        f"'{in_markdown(subject.clean.undefended_prediction)}'.",
    )


def about_the_footprint(subject: Subject) -> Question:
    """How many cells see the patch, or could."""
    image = subject.clean.features.framing.image_size
    if subject.effect is None:
        size = subject.clean.threat.on_network(subject.clean.features.framing)
        reached = math.prod(subject.clean.features.receptive_field.window_size(size))
        text = (
            f"How many of the {subject.cells} cells can see a patch of {size[0]}x{size[1]} pixels, at most?"
        )
    else:
        patch = subject.effect.patch
        footprint, size = subject.clean.footprint(patch), patch.size
        reached = 0 if footprint is None else math.prod(footprint.size)
        text = f"How many of the {subject.cells} cells see a pixel of this patch?"
    share = math.prod(size) / math.prod(image)
    return of_numbers(
        text,
        reached,
        (_more(reached, subject.cells), subject.cells),
        f"The patch has {100 * share:.1f} % of the pixels, and {100 * reached / subject.cells:.0f} % of the cells see "
        "some of them: their fields overlap. All others say what they said before, whatever is on the patch.",
    )


def about_the_cells(subject: Subject) -> Question:
    """How many cells say the label by themselves."""
    label = int(subject.clean.certificate.label)
    alone = int((subject.clean.features.local_logits.argmax(axis=0) == label).sum())
    return of_numbers(
        f"On the clean photo, how many of the {subject.cells} cells would answer '{subject.label}' by themselves?",
        alone,
        (alone // 3, 2 * alone // 3) if alone > 2 else (subject.cells, subject.cells // 2),
        f"In {alone} of {subject.cells} cells '{subject.label}' has the largest local logit. Nobody needs all of "
        "them: the answer is made of their evidence together.",
    )


def about_clipping(subject: Subject) -> Question:
    """What the cells of a window can add at most."""
    defence = subject.clean.robust_masking
    top = min(defence.evidence.top, defence.clip_high)
    held = math.prod(defence.window_size)
    return Question(
        f"The adversary owns the {held} cells of a window. How much evidence can they add to one class, at most?",
        tuple(dict.fromkeys([written(held * top), written(top), "as much as they like"])),
        written(held * top),
        f"Evidence of the type *{defence.evidence}* lies between 0 and {written(top)} in a cell, so {held} cells "
        f"hold at most {written(held * top)}; below 0 they cannot go, so they take away nothing that lies outside.",
    )


def about_detection(subject: Subject) -> Question:
    """Which window is detected for the class that the patch works for."""
    other = subject.others[1]
    masking = subject.seen.shown.masking
    found, sums = masking.window(other), masking.window_sums[other]
    certificate = subject.clean.certificate
    if found is None:
        return Question(
            f"Which window is detected for '{subject.named(other)}'?",
            ("none", _at(certificate.worst), _at(subject.seen.malicious)),
            "none",
            f"None holds more than T = {subject.clean.robust_masking.threshold:g} of its evidence.",
        )
    least = np.unravel_index(int(sums.argmin()), sums.shape)
    options = _distinct(
        _at(found), _at(subject.seen.malicious), _at(certificate.worst), f"row {least[0]}, column {least[1]}"
    )
    return Question(
        f"Which window is detected for '{subject.named(other)}'?",
        options,
        _at(found),
        f"Of its evidence, {float(masking.evidence[other].sum()):.4g} in all, this one holds "
        f"{float(sums[found.top, found.left]):.4g}, more than any other.",
    )


def about_masking(subject: Subject) -> Question:
    """Which class has most left."""
    shown, (label, other) = subject.seen.shown, subject.others
    scores, prediction = shown.masking.scores, int(shown.masking.label)
    order = np.argsort(-scores, kind="stable").tolist()
    indices = list(dict.fromkeys([prediction, label, other, *order]))[:3]
    second = next(index for index in order if index != prediction)
    return Question(
        f"Each class has lost its window. Which one has most left on the {_photo(subject)}?",
        tuple(sorted(subject.named(index) for index in indices)),
        subject.named(prediction),
        f"'{subject.named(prediction)}' keeps {float(scores[prediction]):.4g}, the next one, "
        f"'{subject.named(second)}', {float(scores[second]):.4g}.",
    )


def about_the_proof(subject: Subject) -> Question:
    """How many windows are proved."""
    certificate = subject.clean.certificate
    proved, count = int(certificate.proved.sum()), certificate.positions.count
    worst = certificate.worst
    lower, upper = (float(bound[worst.top, worst.left]) for bound in (certificate.lower, certificate.upper))
    return of_numbers(
        f"For how many of the {count} windows is the margin positive, and above the tolerance?",
        proved,
        (count, count // 2, 0),
        f"In the worst window, {_at(worst)}, '{subject.label}' keeps at least {lower:.4g} and "
        f"'{in_markdown(subject.clean.rival(worst))}' gets at most {upper:.4g}: a margin of {lower - upper:+.4g}. "
        f"The verdict is *{subject.clean.verdict}*.",
    )


def about_the_weakest(subject: Subject) -> Question:
    """Where a patch comes nearest to winning."""
    certificate = subject.clean.certificate
    order = np.argsort(certificate.margin, axis=None, kind="stable")
    rows, columns = np.unravel_index(order, certificate.margin.shape)
    at = [f"row {row}, column {column}" for row, column in zip(rows.tolist(), columns.tolist(), strict=True)]
    worst = certificate.worst
    return Question(
        f"In which of these windows does a patch come nearest to beating '{subject.label}'?",
        _distinct(_at(worst), at[len(at) // 2], at[-1]),
        _at(worst),
        f"There the margin is {float(certificate.margin.min()):+.4g}; in the best window it is "
        f"{float(certificate.margin.max()):+.4g}.",
    )


def about_the_printed_bound(_: Subject) -> Question:
    """What is left of a class that the printed bound vouches for."""
    board, rival = COUNTEREXAMPLE, COUNTEREXAMPLE_RIVAL
    printed, sound = board.lower(Bound.PUBLISHED), board.lower(Bound.SOUND)
    left, other = float(board.masking.scores[0]), float(rival.masking.scores[0])
    return of_numbers(
        f"On a small map the bound as printed in 2021 says that the true class keeps at least {printed:g}. The "
        "adversary puts a little evidence *for* it into the window, and the algorithm runs. How much is left?",
        left,
        (printed, sum(map(sum, board.values))),
        "The little makes a window pass T that straddles the malicious one, and takes the evidence beside "
        f"it along. A wrong class has {other:g}, and wins. The corrected bound, {sound:g}, holds. The authors "
        "corrected it in December 2021.",
    )


def verdict_in_words(subject: Subject) -> str:
    """What the proof came to, for the last screen."""
    certificate = subject.clean.certificate
    failing = int((~certificate.proved).sum())
    if subject.clean.verdict is Verdict.CERTIFIED:
        return (
            "Here every window is proved: no patch of this size can win. Make the patch larger in the sidebar until "
            "a window fails, or choose another photo."
        )
    if subject.clean.verdict is Verdict.MISCLASSIFIED:
        return "Here the answer is another than the label without any patch, so there is nothing to prove."
    what = "1 window has" if failing == 1 else f"{failing} windows have"
    return f"Here {what} no proof. That is no attack yet: whether pixels can win there is another question."


def _more(cells: int, most: int) -> int:
    """About a third more cells."""
    return min(most - 1, cells + max(1, cells // 3))


def _distinct(answer: str, *others: str) -> tuple[str, ...]:
    """Up to three options, the right one among them, in an order that does not tell it."""
    return tuple(sorted(list(dict.fromkeys([answer, *others]))[:3]))


def _at(box: Box) -> str:
    return f"row {box.top}, column {box.left}"


def _photo(subject: Subject) -> str:
    return "clean photo" if subject.effect is None else "patched photo"

"""The words of the page Attack: the rules of the game, and how a try ended."""

import math

from app.cache.searches import Found
from app.markup import in_markdown
from pg_core.analysis.photo import Analysis

RULES = (
    "You are the adversary: **pick a place** on the photo by a click or by its row and column, **paint** the patch, "
    "and see whether the defended answer changes. You have three tries. Then let the search try: it descends the "
    "gradient of the defence itself. Where a window is proved, you lose, whatever you paint, and so does the search."
)
SCORE = (
    "How much of the gap between the label's clean lead and the margin of the certificate your pixels closed; where "
    "the two are not the same sums (all but robust masking and CBN), how much of the lead itself. No pixels close "
    "more than 100 % of the gap; a lead that is closed to 100 % is a tie."
)
LEGEND = (
    "A sign is in the middle of a patch in each window: ■ blue, proved: no pixels can change the answer; ★ orange, "
    "broken by pixels: some were found; ○ undecided: within the tolerance; ✕ red, open: neither a proof nor such "
    "pixels. Solid black: your place. A click picks the nearest place."
)
NO_PAINTING = (
    "There is no painting under this defence: the network would have to run again under every pair of masks at each "
    "try."
)


def goal(clean: Analysis, target: int | None) -> str:
    """What the pixels are to bring about."""
    label = in_markdown(clean.label)
    if target is None:
        return f"Goal: any other defended answer than '{label}'."
    return f"Goal: the defended answer '{in_markdown(clean.classes[target])}' instead of '{label}'."


def result(clean: Analysis, found: Found, target: int | None) -> str:
    """How a try ended."""
    answer = in_markdown(clean.named(found.prediction))
    if found.success and target in (None, found.prediction):
        return f"★ You win: '{in_markdown(clean.label)}' becomes '{answer}'"
    if found.success:
        return f"★ '{answer}', which is broken by pixels, but not your goal"
    return (
        f"the answer is '{answer}'"
        if found.prediction != clean.classes.index(clean.label)
        else f"still '{answer}'"
    )


def score(found: Found) -> str:
    """The score of a try, in per cent."""
    return "no score" if math.isnan(found.score) else f"{100 * found.score:.0f} %"

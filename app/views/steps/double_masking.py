"""What a step of double masking on features does, drawn and said; a mask leaves cells empty."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.markup import in_formula, in_markdown
from app.plots import style
from app.views.steps.figure import Outline, at, bars, margin_said, masked_map, verdict_said
from pg_core.defences.base import Prediction
from pg_core.defences.patchcleanser.trace import FEATURE_PREDICTION, FeatureLine, FeatureStep
from pg_core.evidence.arrays import EvidenceMap
from pg_core.geometry import Window

VOTES = (FeatureLine.AGREE, FeatureLine.MAJORITY, FeatureLine.RETURN, FeatureLine.CLEAN)
"""Lines that count the predictions of the first round."""
LEADS = (FeatureLine.LEAD, FeatureLine.TAKEN)
"""Lines about the lead of the label over a rival."""


def evidence_step(evidence: EvidenceMap, label: int, step: FeatureStep) -> go.Figure:
    """The evidence of the step's class outside the masks, or the label's lead over it outside the windows."""
    if step.line in LEADS:
        lead = evidence[label] - evidence[step.label]
        return masked_map(lead, _windows(step), outlined_windows(step), signed=True)
    left_out = [] if step.line is FeatureLine.WINDOWS else _windows(step)
    return masked_map(evidence[step.label], left_out, outlined_windows(step))


def votes_step(prediction: Prediction, classes: Sequence[str], chosen: int, count: int = 8) -> go.Figure:
    """How many single masks leave each class, for those with most; the chosen one is marked."""
    votes = prediction.scores
    order = sorted(np.flatnonzero(votes).tolist(), key=lambda index: (-votes[index], index))[:count]
    return bars(votes, classes, order, chosen, "windows without which the class has most", "windows")


def said(step: FeatureStep, classes: Sequence[str]) -> str:
    """What the step does, in words and numbers, as Markdown."""
    name = f"'{in_markdown(classes[step.label])}'"
    numbers = {letters: f"{value:.4g}" for letters, value in step.numbers}
    told = {letters: in_formula(f"{letters} = {value}") for letters, value in numbers.items()}
    left = numbers.get("left")
    match step.line:
        case FeatureLine.CLIP:
            return f"Clipped from below at 0 and from above at $c_h$, {name} has {told['SUM(û)']}."
        case FeatureLine.MASKS:
            return f"Each of the {numbers['windows']} windows is taken out once, alone: one of them hides the patch."
        case FeatureLine.ONE:
            return f"Without {at(step.window)}, {name} has most: {in_formula(f'SUM(û ⊙ (1 - i)) = {left}')}."
        case FeatureLine.AGREE if step.number("votes") == step.number("windows"):
            return f"All {numbers['windows']} single masks leave {name}: it is the prediction."
        case FeatureLine.AGREE:
            return f"{numbers['votes']} of {numbers['windows']} single masks leave {name}: they do not all agree."
        case FeatureLine.MAJORITY:
            return f"The majority is {name}, with {numbers['votes']} of {numbers['windows']} windows."
        case FeatureLine.DISAGREER:
            most = in_formula(f"SUM(û ⊙ (1 - i)) = {left}")
            return f"Without {at(step.window)}, {name} has most, {most}: it disagrees."
        case FeatureLine.SECOND if step.other is None:
            return f"Whichever second window is taken out besides {at(step.window)}, {name} has most."
        case FeatureLine.SECOND:
            return (
                f"Without {at(step.window)} and {at(step.other)}, {name} has most: "
                f"{in_formula(f'SUM(û ⊙ (1 - i) ⊙ (1 - j)) = {left}')}."
            )
        case FeatureLine.STANDS:
            found = (
                f"{at(step.window).capitalize()}: {numbers['agreeing']} of {numbers['windows']} second masks"
            )
            if step.other is None:
                return f"{found} leave {name}: it stands, and is the prediction."
            return (
                f"{found} leave {name}, and {at(step.other)} is the first that does not: it does not stand."
            )
        case FeatureLine.RETURN:
            return f"No disagreer stands: {name}, the class of the majority, is the prediction."
        case FeatureLine.CLEAN:
            return (
                f"Without a patch, the two rounds predict {name}; {numbers['votes']} of {numbers['windows']} single "
                "masks leave it."
            )
        case FeatureLine.WINDOWS:
            return f"Say that {at(step.window)} is malicious: as a mask it hides what is in it. The label: {name}."
        case FeatureLine.LEAD:
            return (
                f"The rival is {name}: of the label's lead {told['SUM(û_y - û_c)']} over it, "
                f"{numbers['SUM((û_y - û_c) ⊙ w)']} lies in $w$ and {told['lower']} outside."
            )
        case FeatureLine.TAKEN if step.other is None:
            return f"No other window takes any of the lead over {name}: {told['upper']}."
        case FeatureLine.TAKEN:
            return f"{at(step.other).capitalize()} takes most of the lead over {name}: {told['upper']}."
        case FeatureLine.MARGIN:
            return margin_said(step, name)
    return verdict_said(step, name)


def _windows(step: FeatureStep) -> list[Window]:
    return [window for window in (step.window, step.other) if window is not None]


def outlined_windows(step: FeatureStep) -> list[Outline]:
    """The windows of a step by name and letter: a mask i in the first round, the malicious window w in a proof."""
    outlines: list[Outline] = []
    if step.other is not None:
        outlines.append(("second", "j", style.OTHER, step.other))
    if step.window is not None and step.line in FEATURE_PREDICTION:
        outlines.append(("first", "i", style.DETECTED, step.window))
    elif step.window is not None:
        outlines.append(("malicious", "w", style.MALICIOUS, step.window))
    return outlines

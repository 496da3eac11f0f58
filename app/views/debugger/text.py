"""The words of the window debugger: what is known of a position, and which branch of robust masking's bounds applies.

Not here: what a defence says of its own bounds, see `pg_core.defences.spec`.
"""

from app.markup import in_formula, in_markdown
from pg_core.analysis import words
from pg_core.analysis.photo import Analysis
from pg_core.analysis.words import places
from pg_core.defences.base import Claim
from pg_core.defences.patchguard.explain import Account, Branch
from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.defences.patchguard.witness import WindowStatus
from pg_core.defences.spec import Counterexample
from pg_core.geometry import Box, PatchPositions, Window

NOT_KNOWN = "not known"
NO_BOUND = "no bound"
BEST = (
    "The bounds of all classes hold at once. So the rivals whose upper bound reaches the label's lower bound are "
    "counted: with n of them, the label stays among the best n + 1 by score. That it may fall further is no attack: "
    "the rivals need not all rise at once."
)


def number(value: float, signed: bool = False) -> str:
    """Four digits that count; ∞ where there is no bound.

    >>> number(0.123456), number(2.0, signed=True), number(-math.inf)
    ('0.1235', '+2', '-∞')
    """
    return f"{value:{'+' if signed else ''}.4g}".replace("inf", "∞")


def place(at: Box, one: bool = False) -> str:
    """Where a position is, with its kind: a malicious window of features, or the patch itself."""
    kind = _kind(at)
    return kind if one else f"{kind} at row {at.top}, column {at.left}"


def status(analysis: Analysis, at: Box, known: WindowStatus, found: Counterexample | None = None) -> str:
    """What is known of a position in feature space, in Markdown; with what wins in a counterexample that is given."""
    kind, witness = _kind(at), analysis.spec.witness is not None
    match known:
        case WindowStatus.CERTIFIED:
            alert = " without an alert" if analysis.certificate.claim is Claim.LABEL_OR_ALERT else ""
            return f"✔ certified: no content of this {kind} changes the prediction{alert}"
        case WindowStatus.COUNTEREXAMPLE if found is not None:
            winner = in_markdown(analysis.named(int(found.prediction.label)))
            return (
                f"✘ feature-space counterexample found: run on a witness, which differs inside this {kind} only, the "
                f"defence says '{winner}' instead of '{in_markdown(analysis.label)}'"
            )
        case WindowStatus.COUNTEREXAMPLE:
            return "✘ feature-space counterexample found: a witness changes the prediction"
        case WindowStatus.TIED:
            return "✘ tie: the rival can draw level, which is no certificate, but not win"
        case WindowStatus.UNDECIDED:
            told = "? undecided: the margin is positive, but within the tolerance, which is estimated"
        case WindowStatus.OPEN:
            told = f"? open: {'neither a certificate nor a counterexample' if witness else 'no certificate'}"
    return told if witness else f"{told}; whether there is a counterexample is *{NOT_KNOWN}*"


def among_the_best(analysis: Analysis, at: Box) -> str | None:
    """Among how many of the best classes the label stays here, in Markdown; None where the defence ranks none."""
    told = words.among_the_best(analysis, at)
    return told and in_markdown(told)


def status_in_table(analysis: Analysis, known: WindowStatus | None) -> str | None:
    """The same in a word; None where it was not looked for."""
    if known is WindowStatus.OPEN and analysis.spec.witness is None:
        return NOT_KNOWN
    return known and str(known)


def bounds(analysis: Analysis, at: Box) -> tuple[str, str]:
    """What the lower and the upper bound mean, in the words of the defence, in Markdown."""
    names = {"label": in_markdown(analysis.label), "rival": in_markdown(analysis.rival(at))}
    return analysis.spec.lower.format(**names), analysis.spec.upper.format(**names)


def legend(analysis: Analysis, at: Box, masked: int, drawn: int) -> str:
    """What is on the photo under a defence that masked so many boxes, of which at most `drawn` are drawn; Markdown."""
    words = ["The photo."]
    if analysis.evidence is not None:
        words = [f"The photo, with what the defence adds up for '{in_markdown(analysis.label)}' on it."]
    if isinstance(at, Window):
        words.append("Dotted orange: malicious window w. Dashed pink: all pixels that its cells see.")
    else:
        words.append("Dotted orange: the patch.")
    positions = analysis.certificate.positions
    if isinstance(positions, PatchPositions) and (positions.rows_alike or positions.columns_alike):
        words.append(
            f"All {'rows' if positions.rows_alike else 'columns'} are alike: this one stands for them."
        )
    if masked:
        first = f", the first {drawn} of {masked}" if masked > drawn else ""
        words.append(f"Solid blue: what the defence masked{first}.")
    elif analysis.spec.masked is not None:
        words.append("The defence masked nothing on this photo.")
    return " ".join(words)


def left_out(analysis: Analysis, count: int, listed: int, tried: int) -> list[str]:
    """What a table of `listed` positions, of `count` that are not certified, does not say, and why; a witness was
    tried on the first `tried` only."""
    notes = []
    if count > listed:
        notes.append(
            f"Of {count:,} {places(analysis.certificate)} these {listed:,} have the smallest margins; the others are "
            "not listed."
        )
    if analysis.spec.witness is None:
        notes.append(
            f"{analysis.spec.title} has no witness: whether there is a counterexample is *{NOT_KNOWN}*."
        )
    elif listed > tried and not isinstance(analysis.defence, RobustMasking):
        notes.append(
            f"A witness was tried on the first {tried} of them only, for each takes a run of the defence; pick "
            "another one to see its status."
        )
    return notes


def why_label(account: Account, threshold: float) -> str:
    """Which branch of the lower bound applies, in words and numbers; Markdown."""
    t, most, m = account.outside, threshold * account.outside, account.taken
    within = in_formula(f"m ≤ T t = {most:.4g}")
    match account.branch:
        case Branch.OTHER:
            return (
                f"{in_formula(f'm = {m:.4g} > T t = {most:.4g}')}: even with nothing in $w$, the window $w'$ is "
                f"detected and masked. {in_formula(f'lower = t - m = {t:.4g} - {m:.4g} = {account.bound:.4g}')}."
            )
        case Branch.STRADDLING:
            return (
                f"{within}: nothing need be detected. But a little evidence for the label in $w$ has the straddling "
                f"window $w'$ detected, which takes {m:.4g} along. "
                f"{in_formula(f'lower = t - m_o = {t:.4g} - {m:.4g} = {account.bound:.4g}')}."
            )
    return (
        f"{within}: nothing is detected with nothing in $w$, and no evidence in $w$ changes that for the worse, this "
        f"bound says. {in_formula(f'lower = t = {account.bound:.4g}')}."
    )


def why_rival(account: Account, threshold: float) -> str:
    """Which branch of the upper bound applies, in words and numbers; Markdown."""
    t = account.outside
    match account.branch:
        case Branch.LEMMA if threshold == 0:
            return (
                "Lemma 1 at $T = 0$: however much is put into $w$, no less is masked. "
                f"{in_formula(f'upper = t/(1 - T) = t = {account.bound:.4g}')}."
            )
        case Branch.LEMMA:
            return (
                f"Lemma 1: as much as {in_formula(f'tT/(1 - T) = {account.hidden:.4g}')} can stay in $w$ below $T$. "
                f"{in_formula(f'upper = t/(1 - T) = {t:.4g}/{1 - threshold:.4g} = {account.bound:.4g}')}."
            )
        case Branch.HIDDEN:
            bound = in_formula(f"upper = t + e* = {t:.4g} + {account.hidden:.4g} = {account.bound:.4g}")
            return (
                f"A linear program finds that {in_formula(f'e* = {account.hidden:.4g}')} at most can hide in $w$ "
                f"below $T$ (Case IV). {bound}."
            )
    bound = in_formula(f"upper = t = {account.bound:.4g}")
    return f"Nothing can hide in $w$: some window passes $T$ whatever it holds. {bound}."


def step(account: Account) -> str:
    """What is added to the evidence outside w, or taken from it, by the branch that applies."""
    match account.branch:
        case Branch.OTHER:
            return "to w': m"
        case Branch.STRADDLING:
            return "to w': mₒ"
        case Branch.SPARED:
            return "to w': none"
        case Branch.LEMMA:
            return "1/(1 - T)"
        case Branch.HIDDEN:
            return "hidden: e*"
    return "hidden: none"


def _kind(at: Box) -> str:
    return "window" if isinstance(at, Window) else "patch"

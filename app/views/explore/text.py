"""The words of the page Explore: what a newcomer reads first, and the terms where they first appear."""

INTRODUCTION = (
    "An **adversarial patch** is a piece of an image made to turn a network's answer. The network here looks through "
    "many small fields, so a patch reaches only a few of them: a defence masks these, and a proof tries every place. "
    "**Drag the patch** over the photo."
)

UNDEFENDED = (
    "The class with the largest mean of all local logits: one that a patch makes large enough decides."
)
PROVED_WINDOWS = (
    "A *malicious window* is a block of cells of the map that one patch can corrupt. It is proved if no content of it "
    "can change the answer; the verdict needs all of them."
)
PROVED_PLACEMENTS = (
    "A *placement* is a place of the patch on the image. It is proved if no content of the patch there can change the "
    "answer; the verdict needs all of them."
)
SEARCH = (
    "A search optimises the pixels of a patch against the defence itself. A window is *broken by pixels* (★) where it "
    "finds some that change the defended answer; one where it finds none stays *open* (✕), for that proves nothing."
)
EVIDENCE = (
    "*Local logits* are what the network says for a class in each cell; *evidence* is the part of it that the defence "
    "adds up."
)

BEST = (
    "The bounds of all classes hold at once: in each window, or placement, the rivals whose upper bound reaches the "
    "label's lower bound are counted, and the worst one is told. That the label may fall further is no attack."
)

GLOSSARY = r"""
- **Local logits** $u$: the network classifies each place of the photo from a small *receptive field* of pixels
  around it, so a patch corrupts only the places that see it: a *window* of $k = \lceil (p + r - 1)/s \rceil$ cells
  for a patch of $p$ pixels, a receptive field of $r$ and a stride of $s$ (Equation 1). A 64-pixel patch, $r = 128$
  and $s = 32$ give 6x6 cells.
- **Clipped evidence** $\hat u$: the part of $u$ between $0$ and $c_h$, as logits, as confidences (sharpened or
  not) or as votes.
- **Robust masking** (Algorithm 1): for each class the window with the most evidence is *detected*, and removed if
  it holds more than a share $T$ of all the evidence of the class. The class with the most evidence left is the
  defended prediction.
- **Malicious window** $w$: where the adversary's patch may be. It controls the evidence inside completely.
- **Margin** (Algorithm 2): the lower bound of the label's score, whatever is inside $w$, less the upper bound of
  the score of its best *rival*. If the margin is above the tolerance for every window, no patch can change the
  prediction. Its unit is that of the evidence.
- **Bounds**: the *published* one is wrong for $T > 0$; the *sound* one is the authors' correction of December
  2021; the *tight* one solves a linear program for each window that the sound one refuses.
- **Tolerance**: what rounding in the network can move a margin by, estimated; a positive margin within it is
  *undecided*.
- **Feature-space counterexample**: evidence inside one window with which the defence answers otherwise. Whether a
  patch of pixels can make the network see this evidence is not known. **Broken by pixels** is a window where the
  pixels on the photo do it.
- **A certificate says that no patch can change the answer, not that the answer is right.**

Xiang, Bhagoji, Sehwag, Mittal: *PatchGuard: A Provably Robust Defense against Adversarial Patches via Small
Receptive Fields and Masking*, USENIX Security 2021. The lower bound published there is wrong for $T > 0$; the
default bound here is the authors' correction of December 2021.
"""

"""The words of the page About: the threat model, what a verdict says, and what it does not say."""

QUESTION = (
    "An **adversarial patch** is a piece of an image, of any content, that makes a network give a wrong answer. It "
    "need not be hidden: a sticker on a sign is one. This program asks of a photo: *can any patch of a given size "
    "change the answer?* Trying patches cannot tell, since the next one may succeed. A proof can."
)

PICTURES = (
    "**1 The image.** The adversary changes one rectangle, anywhere. Dashed: the field of one cell, which sees a part "
    "of it.",
    "**2 The cells.** Only those whose field meets the patch can change. They lie in one *malicious window*.",
    "**3 The proof.** It goes through every window: can any content of it change the answer?",
)

THREAT = """
- The adversary knows everything: network, defence, and the proof.
- It picks **one** axis-parallel rectangle of at most the chosen size, **anywhere** on the image, and replaces its
  pixels by **anything**.
- The image is the one that the network sees, after cropping and resizing, unless *the original photo* is chosen in the
  sidebar: then the patch is enlarged by what resampling spreads.
"""

HOW = r"""
1. The network looks through small *receptive fields*: each *cell* of its map says what it sees in a few pixels. A
   patch of $p$ pixels changes at most $k = \lceil (p + r - 1)/s \rceil$ cells in a row (field $r$, stride $s$): a
   *malicious window* of $k$ by $k$ cells.
2. A *defence* limits what a window can do, for instance by leaving out the one with suspiciously much evidence.
3. The *proof* goes through every window, lets its cells say anything, and bounds the label's score from below and
   every other class's from above. The difference is the *margin*.
"""

VERDICTS = """
| verdict | what it says |
|---|---|
| **certified** | no patch of this size can change the answer |
| **not certified** | a proof is missing in some window; that is no attack |
| **undecided** | all margins are positive, but one is within the estimated tolerance of the arithmetic |
| **misclassified**, **alert** | without any patch the answer is not the label, so there is nothing to prove |

| of one window | what it says |
|---|---|
| **feature-space counterexample** | with some content of the cells the defence errs; pixels need not attain it |
| **broken by pixels** | the pixels on the photo change the defended answer |
| **open** | neither a proof nor a counterexample |
"""

NOT_SAID = """
- **That the answer is right.** A photo of coins is certified as a *Petri dish*.
- Anything about **several patches**, changes of the whole image, or other attacks.
- Anything about the photo **before** it is cropped and resized, unless that is chosen.
- That the program is free of errors: margins count above a *tolerance*, which is estimated and not proved. The
  arithmetic of most certificates others can check, by a file (*Check a certificate*).
"""

SOURCES = (
    "After Xiang, Bhagoji, Sehwag and Mittal: [*PatchGuard*](https://arxiv.org/abs/2005.10884), USENIX Security 2021; "
    "other defences are named as in the literature, and *ours* where they are derived here. Photos stay on this "
    "server, in memory, and no other session is shown them."
)

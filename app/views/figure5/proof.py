"""Lemma 1, Algorithm 2 and Theorem 1 of [PG] in a page, and what is wrong with the published bound (theory §4, §5)."""

import streamlit as st

_WORDS = r"""
**Notation.** $\hat u$ `evidence`, $W$ `windows`, $w$ `window` (malicious), $w^*$ `detected`, $T$ `threshold`, $t$
`outside`, $e$ `malicious`, $e'$ `detected`, $q_1$ `spilled`, $q_2$ `caught`, $q_3$ `missed`, $s$ `remaining`, $y$
`label`, $y'$ `rival`; the code uses the words, this page the letters of the paper.

**Lemma 1.** *Whatever is in* $w$*, a class keeps* $s \le t/(1 - T)$. The evidence $t$ outside $w$ is out of reach;
$e \ge 0$ is the adversary's, since evidence is clipped at $c_l = 0$. Always $s = t + e - e'$.
- **I**: $w^* = w$ takes exactly $e$, so $s = t$.
- **II**: $w^*$ is elsewhere. It was preferred to $w$, so $e' \ge e$ and $s = t + e - e' \le t$.
- **III**: $w^*$ overlaps $w$. Again $e' \ge e$, which is $q_1 + q_2 \ge q_2 + q_3$: what is masked by mistake
  outweighs what is missed, $s = t + q_3 - q_1 \le t$.
- **IV**: no window passes $T$, and $w$ is one of them: $e \le T(t + e)$, so $e \le tT/(1 - T)$ and
  $s = t + e \le t/(1 - T)$.

**Algorithm 2.** For each $w \in W$: `upper`, the largest $t/(1 - T)$ of all wrong classes (the class is the *rival*);
`lower`, the least score of the label $y$; `margin` = lower - upper.

**Theorem 1.** *If the margin is positive for every* $w \in W$*, no patch whose footprint lies in a window of* $W$
*changes the prediction.* Every patch of $p$ pixels corrupts the cells of one such window at most,
$k = \lceil (p + r - 1)/s \rceil$ per axis; there Lemma 1 bounds the score of every wrong class by upper, and that of
the label is at least lower.

**What is wrong for** $T > 0$**.** As published, lower is $t - m$ if the best other window holds $m > Tt$, and $t$
otherwise, as if putting zeros into $w$ were the worst that the adversary can do to the label. It is not: a little
evidence $q_2$ *for the label*, in the part of $w$ that a straddling window $w'$ shares, can make $w'$ pass $T$; then
$w'$ is masked and takes its benign evidence $q_1$ along. The counterexample above does just that. So **the published
bound, and Theorem 1 with it, is wrong for** $T > 0$, and right at $T = 0$.

**The corrected bound** (the authors, December 2021) is lower $= t - m$ if $m > Tt$, else $t - m_o$, where $m_o$ is the
most that a window *overlapping* $w$ holds of the evidence outside $w$. Nothing detected: $s \ge t$. A window outside
$w$ detected: $q_1 > T(t + e) \ge Tt$, so $m > Tt$ and $s \ge t - m$. A window overlapping $w$ detected:
$s = t + q_3 - q_1 \ge t - m_o$. At $T = 0$ both bounds are the same.
"""


def walk_through() -> None:
    """The proof, closed until it is wanted."""
    st.header("The proof in a page")
    st.markdown(_WORDS)
    st.caption(
        "Xiang, Bhagoji, Sehwag, Mittal: *PatchGuard*, USENIX Security 2021, section 5. The counterexample was found "
        "by search here; a test of this program keeps it."
    )

"""The quiz of a person: the number that its questions are drawn by, what was answered, and the guess.

All of it is in the address, so that it stays in the browser and nothing is kept of it elsewhere.
"""

import streamlit as st

from app.state import pages

MOST_SEED = 9999
_SEED, _ANSWERS, _GUESS = "quiz-seed", "quiz-answers", "quiz-guess"
_NONE = "-"
_LETTERS = "abcdefg"


def seed() -> int:
    """The number that the questions are drawn by; with it what a link says was answered."""
    linked = pages.linked("quiz", _read)
    state = st.session_state
    if linked is not None:
        state[_SEED], state[_ANSWERS] = linked
    return state.setdefault(_SEED, 1)


def answers(count: int) -> list[int | None]:
    """What was answered, by the numbers of the options."""
    kept = st.session_state.get(_ANSWERS, [])
    return [*kept, *[None] * count][:count]


def remember(given: list[int | None]) -> None:
    """Keep what was answered, and let the address say so."""
    st.session_state[_ANSWERS] = given
    letters = "".join(_NONE if one is None else _LETTERS[one] for one in given)
    usual = st.session_state.get(_SEED) == 1 and not letters.strip(_NONE)
    pages.say("quiz", "" if usual else f"{st.session_state[_SEED]}:{letters}")


def anew() -> None:
    """Draw other questions."""
    st.session_state[_SEED] = st.session_state.get(_SEED, 1) % MOST_SEED + 1
    st.session_state[_ANSWERS] = []


def guess(key: str) -> tuple[int, int] | None:
    """Where a person has guessed that a patch wins, under all that it depends on."""
    of, *at = st.session_state.get(_GUESS, ("",))
    return (at[0], at[1]) if of == key else None


def take_guess(key: str, at: tuple[int, int] | None) -> None:
    """Take a guess; the first one counts."""
    if at is not None and guess(key) is None:
        st.session_state[_GUESS] = (key, *at)


def guess_again() -> None:
    """Forget the guess."""
    st.session_state.pop(_GUESS, None)


def _read(text: str) -> tuple[int, list[int | None]]:
    number, _, letters = text.partition(":")
    if not number:
        return 1, []
    if not set(letters) <= {*_LETTERS, _NONE}:
        raise ValueError(f"expected a to g and - for answers, got {letters!r}")
    return pages.within(number, 0, MOST_SEED, int), [
        None if letter == _NONE else _LETTERS.index(letter) for letter in letters
    ]

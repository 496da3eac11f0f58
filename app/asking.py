"""A question with its options, and the widget that asks it and says at once what is right, and why."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True, slots=True)
class Question:
    """A question in Markdown, its options, which of them is right, and why."""

    text: str
    options: tuple[str, ...]
    answer: str
    because: str


def of_numbers(text: str, answer: float, others: Sequence[float], because: str, digits: int = 10) -> Question:
    """A question whose options are numbers of so many digits in their order; where they would all be one, the next
    is made.

    >>> of_numbers("?", 81 * 65536.0, (40.5,), "").options
    ('40.5', '5,308,416')
    """
    values = {written(value, digits): value for value in (answer, *others)}
    if len(values) < 2:
        values[written(answer + 1, digits)] = answer + 1
    return Question(text, tuple(sorted(values, key=values.__getitem__)), written(answer, digits), because)


def written(value: float, digits: int = 10) -> str:
    """A number as an option has it."""
    return f"{value:,.{digits}g}"


def ask(question: Question, about: str, chosen: int | None = None) -> int | None:
    """The number of the option that a person has chosen, at first this one; None while there is none.

    about names what the question is drawn from: where that or the question changes, the field begins anew.
    """
    told = hashlib.sha256(repr((about, question)).encode()).hexdigest()[:16]
    said = st.radio(question.text, question.options, index=chosen, key=f"answer-{told}", horizontal=True)
    if said is None:
        return None
    if said == question.answer:
        st.success(f"✔ Right: {question.answer}. {question.because}")
    else:
        st.error(f"✘ Not {said}, but {question.answer}. {question.because}")
    return question.options.index(said)

"""A question with its options, and the widget that asks it and says at once what is right, and why."""

import hashlib
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True, slots=True)
class Question:
    """A question in Markdown, its options, which of them is right, and why."""

    text: str
    options: tuple[str, ...]
    answer: str
    because: str


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

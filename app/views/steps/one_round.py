"""Why one round of masks cannot recover: a toy of five masks in a row, whose votes may come from photos with different
answers (theory §9, PatchCleanser)."""

from itertools import product

import plotly.graph_objects as go
import streamlit as st

from app.components.charts import chart
from app.plots import style
from app.state import pages

COVERS = ((0,), (0, 1), (1, 2), (2, 3), (3, 4), (4,))
"""The masks that cover the patch at each of its places, from left to right: masks overlap by half."""
MASKS = 5
CLASSES = "ab"
_START = "abbaa"


def explained(votes: str) -> dict[str, list[int]]:
    """For each class, the places of a patch with which a photo of it can get these votes: a mask that covers the
    patch shows the photo as it is, and what all other masks let the network say is the adversary's.

    >>> explained("abbaa")
    {'a': [0, 4, 5], 'b': [2]}
    """
    return {
        label: [
            place for place, covering in enumerate(COVERS) if all(votes[mask] == label for mask in covering)
        ]
        for label in CLASSES
    }


def ambiguous() -> list[str]:
    """The votes that photos of both classes can get."""
    every = ("".join(votes) for votes in product(CLASSES, repeat=MASKS))
    return [votes for votes in every if all(explained(votes).values())]


def toy() -> None:
    """Five votes to choose, and the photos that they can come from."""
    key = pages.option("votes", ["".join(votes) for votes in product(CLASSES, repeat=MASKS)], _START)
    st.session_state.setdefault(key, _START)
    st.markdown(
        "Five masks in a row, of which neighbours overlap: wherever the patch is, one or two of them cover it, and "
        "with these the network sees the photo without the patch, and says its class. What it says with the other "
        "masks is up to the adversary. **Choose what the network says with each mask.**"
    )
    chosen = []
    for mask, column in enumerate(st.columns(MASKS)):
        vote = column.segmented_control(
            f"Mask {mask + 1}",
            list(CLASSES),
            default=st.session_state[key][mask],
            required=True,
            key=f"vote-{mask}-{st.session_state[key]}",
        )
        chosen.append(vote or CLASSES[0])
    votes = "".join(chosen)
    if votes != st.session_state[key]:
        st.session_state[key] = votes
        st.rerun()
    found = explained(votes)
    chart(
        drawing(votes),
        "one-round",
        f"Masks with votes {', '.join(votes)}; places of the patch that explain them: "
        + "; ".join(f"class {label}: {_listed(places)}" for label, places in found.items()),
    )
    count = len(ambiguous())
    if all(found.values()):
        st.error(
            f"✘ **Two photos, the same votes.** A photo of class a with the patch at {_listed(found['a'])}, and one "
            f"of class b with the patch at {_listed(found['b'])}. No rule that sees these votes alone is right for "
            "both."
        )
    else:
        (label,) = [label for label, places in found.items() if places]
        st.success(f"✔ Only a photo of class {label} can get these votes.")
    st.markdown(
        f"So it is for **{count} of the {2**MASKS}** votes. A second round tells them apart: with *two* masks at "
        "once, one of which covers the patch, the network says the class of the photo whatever the other one is, so a "
        "mask under which all agree is one to believe. That is double masking."
    )


def drawing(votes: str) -> go.Figure:
    """The masks one below the other in the letters of their votes, and the places of the patch that explain them."""
    figure, found = go.Figure(), explained(votes)
    for mask, vote in enumerate(votes):
        colour = style.AFTER if vote == "a" else style.LOST
        left = [place for place, covering in enumerate(COVERS) if mask in covering]
        figure.add_shape(
            type="rect",
            x0=left[0],
            x1=left[-1] + 1,
            y0=mask + 0.1,
            y1=mask + 0.9,
            fillcolor=colour,
            line={"width": 0},
        )
        figure.add_annotation(
            x=(left[0] + left[-1] + 1) / 2,
            y=mask + 0.5,
            text=f"<b>mask {mask + 1}: {vote}</b>",
            showarrow=False,
            font={"color": "#ffffff"},
        )
    for place in range(len(COVERS)):
        told = [label for label, places in found.items() if place in places]
        figure.add_annotation(
            x=place + 0.5, y=MASKS + 0.5, text=f"patch here: {' or '.join(told) or '-'}", showarrow=False
        )
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    return style.finish(figure).update_layout(
        height=260,
        margin={"l": 4, "r": 4, "t": 8, "b": 8},
        xaxis={"range": [-0.05, len(COVERS) + 0.05], **bare},
        yaxis={"range": [MASKS + 1, 0], **bare},
    )


def _listed(places: list[int]) -> str:
    if not places:
        return "no place"
    numbers = [str(place + 1) for place in places]
    return (
        f"place {numbers[0]}" if len(numbers) == 1 else f"places {', '.join(numbers[:-1])} or {numbers[-1]}"
    )

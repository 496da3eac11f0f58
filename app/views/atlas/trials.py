"""The page Atlas on more than one trial of a table: two side by side, and what would prove more."""

import streamlit as st

from app.components.charts import chart
from app.markup import in_markdown
from app.views.atlas import comparison, widgets
from app.views.atlas import figure as figures
from app.views.atlas.comparison import Outcome
from app.views.atlas.results import Selection


def side_by_side(name: str, selection: Selection) -> None:
    """Photos and windows that another trial wins and loses."""
    left, right = st.columns(2)
    with left:
        beside = widgets.table_beside(name)
    if beside is None:
        return
    other_name, table = beside
    same = table is selection.atlas
    if same and len(table.keys) < 2:
        st.info("This table has one setting: choose another table to set beside it.")
        return
    with right:
        chosen = widgets.trial(
            f"{name} {other_name}",
            table,
            "beside",
            "Defence and patch beside",
            besides=selection.trial if same else None,
        )
    other, setting = selection.atlas.beside(table, chosen), table.settings[chosen]
    here, there = (in_markdown(widgets.titled(one)) for one in (selection.setting, setting))
    if not same:
        models = (one.run.configuration.model for one in (selection.atlas, table))
        here, there = (
            f"{words}, {in_markdown(model)}" for words, model in zip((here, there), models, strict=True)
        )
    found = comparison.crossed(selection, other)
    both, won, lost, neither = comparison.counted(found)
    st.markdown(
        f"Of {both + won + lost + neither:,} photos that both have, by their content, {both:,} are certified by both, "
        f"**{won:,}** by *{there}* alone, **{lost:,}** by *{here}* alone, and {neither:,} by neither."
    )
    if setting.patch_size != selection.setting.patch_size:
        st.caption("The two are against patches of different sizes: what they prove is not the same.")
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Windows won and lost")
        windows = comparison.difference(selection, other)
        if windows is None:
            st.caption("The two have different windows, so there is no map of both.")
        else:
            pairs = [
                pair
                for rows in zip(windows.won, windows.lost, strict=True)
                for pair in zip(*rows, strict=True)
            ]
            chart(
                figures.difference(windows, "window"),
                "atlas-difference",
                f"Photos that the second setting proves in a window and the first does not, less the others: "
                f"{sum(won for won, _ in pairs)} won and {sum(lost for _, lost in pairs)} lost, over all windows",
            )
            st.caption(f"Blue: *{there}* proves more photos in this window. Red: *{here}* does.")
    with right:
        st.subheader("Photos by both verdicts")
        st.dataframe(
            [
                {"Here": str(own), "Beside": str(their), "Photos": count}
                for (own, their), count in sorted(found.items(), key=lambda pair: -pair[1])
            ],
            hide_index=True,
            height="content",
        )


def what_would_it_take(selection: Selection) -> None:
    """Which other trials prove the photos that are not certified here."""
    found = comparison.outcomes(selection)
    height, width = selection.setting.patch_size
    if not found:
        st.info(f"This table has no other setting against a {height}x{width} patch.")
        return
    together = comparison.together(selection)
    st.markdown(
        f"**{together.n:,}** of these photos are not certified. Each other setting of this table against the same "
        f"{height}x{width} patch, the one that proves most of them first; any of them proves "
        f"**{together.count:,}**, none of them {together.n - together.count:,}."
    )
    st.dataframe([_row(one, selection) for one in found], hide_index=True, height="content")
    st.caption(
        "Gained: photos that it certifies and this setting does not. Lost: the other way round. A photo has to be "
        "right without a patch under the defence that certifies it."
    )


def _row(one: Outcome, selection: Selection) -> dict[str, object]:
    return {
        "Defence and patch": widgets.titled(selection.atlas.settings[one.trial]),
        "Claims": str(selection.atlas.settings[one.trial].claim),
        "Gained": one.gained,
        "Of those that fail": one.failing,
        "Lost": one.lost,
        "Photos of both": one.n,
    }

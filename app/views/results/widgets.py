"""What of the results is shown."""

import streamlit as st

from app.cache import results
from app.state import pages
from app.views.results.figure import Against, Measure
from pg_core.datasets.base import Dataset
from pg_core.evaluation.results import Accuracy, Evaluation
from pg_core.evaluation.table import Point


def data() -> Dataset:
    """Whose photos."""
    known = results.data()
    titles = [dataset.title for dataset in known]
    key = pages.option("data", titles, titles[0])
    chosen = st.segmented_control("Photos of", titles, required=True, key=key)
    return known[titles.index(chosen or titles[0])]


def of_networks(chosen: tuple[Point, ...]) -> tuple[Point, ...]:
    """The accuracies of the networks that a person wants to see."""
    names = st.multiselect("Networks", results.networks(chosen), key="result-networks", placeholder="all")
    return results.of_networks(chosen, names)


def drawn(chosen: tuple[Point, ...]) -> tuple[tuple[Point, ...], Measure, Against]:
    """Which accuracies a figure shows: of these points, which share, against what."""
    left, right = st.columns(2)
    with left:
        measure = st.segmented_control(
            "Accuracy",
            list(Measure),
            format_func=str,
            required=True,
            key=pages.option("measure", list(Measure), Measure.CERTIFIED),
            help="Certified (provable robust) accuracy: the photos whose true class no patch of this size can take "
            "away. Clean: the photos that the defence gets right without any patch.",
        )
    with right:
        patches = results.patches(chosen)
        offered = list(Against) if patches else [Against.PATCH_SIZE]
        against = st.segmented_control(
            "Against",
            offered,
            format_func=str,
            required=True,
            key=pages.option("against", offered, Against.PATCH_SIZE),
            help="T: robust masking takes a window out if it holds more than this part of a class's evidence.",
        )
        if against == Against.THRESHOLD:
            patch = (
                st.selectbox(
                    "Patch, in pixels",
                    patches,
                    key=pages.option("measured_patch", patches, patches[len(patches) // 2]),
                )
                or patches[0]
            )
            return (
                results.with_threshold(chosen, patch),
                Measure(measure or Measure.CERTIFIED),
                Against.THRESHOLD,
            )
    return results.at_threshold_zero(chosen), Measure(measure or Measure.CERTIFIED), Against.PATCH_SIZE


def run(names: list[str]) -> tuple[Evaluation, Accuracy]:
    """One defence in one of these evaluations."""
    known = results.evaluations()
    left, right = st.columns(2)
    name = (
        left.selectbox(
            "Network and photos",
            names,
            format_func=results.title,
            key=pages.option("evaluation", names, names[0]),
        )
        or names[0]
    )
    runs = known[name].runs
    preferred = results.table_run(known[name])
    number = right.selectbox(
        "Defence and patch",
        range(len(runs)),
        format_func=lambda number: str(runs[number].setting),
        key=pages.option("run", range(len(runs)), preferred, of=name),
    )
    return known[name], runs[number or 0]

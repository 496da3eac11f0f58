"""What each page computes and draws for one click, once the network has run: debugger, Figure 5, step-through.

    python -m tests.benchmarks.bench_pages

Medians in ms. What a click takes is the sum of its parts, Streamlit aside; exits with 1 if one takes over 150 ms.
Programs and witnesses for all windows run once for each setting and show progress, so they are printed apart.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from app.plots import cases as case_figures
from app.views.debugger import figure as figures
from app.views.steps import figure as step_figures
from app.views.steps import results as running
from pg_core import (
    Bound,
    LocalFeatures,
    ReceptiveField,
    RobustMasking,
    examine,
    extract,
    load_model,
    sample_path,
)
from pg_core.defences.patchguard.boards import COUNTEREXAMPLE
from pg_core.defences.patchguard.cases import cases
from pg_core.defences.patchguard.explain import diagnose, failures
from pg_core.defences.patchguard.witness import window_status
from pg_core.photos.framing import frame, square

RUNS = 7
LIMIT = 150
"""Milliseconds from a click to its answer."""
SETTINGS = ((0.0, Bound.SOUND), (0.2, Bound.SOUND), (0.2, Bound.TIGHT))

Parts = dict[str, Callable[[], object]]


def milliseconds(action: Callable[[], object], runs: int = RUNS) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def click(name: str, parts: Parts) -> bool:
    taken = {part: milliseconds(action) for part, action in parts.items()}
    each = ", ".join(f"{part} {spent:.1f}" for part, spent in taken.items())
    print(f"  {name:<12} {sum(taken.values()):7.1f}  = {each}")
    return sum(taken.values()) <= LIMIT


def of_a_photo(features: LocalFeatures, defence: RobustMasking) -> bool:
    analysis = examine(features, defence)
    window, label = analysis.certificate.worst, int(analysis.certificate.label)
    print(f"{features.model}, {len(features.classes)} classes, map {features.map_size}, {defence}")
    known = defence, analysis.masking, analysis.certificate
    told = diagnose(*known, window)
    explanation = analysis.explanation(window)
    bounds = explanation.lower, explanation.upper
    _, witness = window_status(*known, window)
    attacked = analysis.masking if witness is None else witness.masking
    subject = running.photo_subject(analysis, analysis, window, running.Scene.PHOTO)
    trace = running.trace(running.Algorithm.CERTIFICATE, subject)

    quick = defence.bound is not Bound.TIGHT or defence.threshold == 0
    debugger: Parts = {"what if": lambda: examine(features, defence)} if quick else {}
    debugger |= {
        "diagnosis": lambda: diagnose(*known, window),
        "witness": lambda: window_status(*known, window),
        "waterfalls": lambda: [figures.waterfall(*pair, "") for pair in (bounds, bounds[::-1])],
        "photo": lambda: figures.position_on_photo(analysis, window, other=told.label.other),
    }
    if witness is not None:
        debugger["its maps"] = lambda: figures.witness_maps(analysis, witness)
    figure5: Parts = {
        "cases": lambda: cases(defence, analysis.masking.evidence, attacked, window),
        "photo": lambda: case_figures.case_on_photo(analysis, attacked, label, window),
    }
    steps: Parts = {
        "trace": lambda: running.trace(running.Algorithm.CERTIFICATE, subject),
        "margins": lambda: step_figures.margins_step(analysis.certificate, trace),
    }
    fine = [
        click(name, parts)
        for name, parts in (("debugger", debugger), ("figure 5", figure5), ("steps", steps))
    ]
    if not quick:
        print(
            f"  {'(bounds)':<12} {milliseconds(lambda: examine(features, defence), runs=1):7.1f}  for all windows"
        )
    every = milliseconds(lambda: list(failures(*known)), runs=1)
    failing = np.count_nonzero(analysis.certificate.margin <= analysis.certificate.tolerance)
    print(f"  {'(table)':<12} {every:7.1f}  for the witnesses of all {failing} windows that fail")
    return all(fine)


def of_a_board() -> bool:
    edited = COUNTEREXAMPLE.painted([(0, 0)], 5.0)
    print("toy board, 6x6")
    return click(
        "an edit",
        {
            "case": lambda: edited.evidence,
            "bounds": lambda: [edited.lower(bound) for bound in (Bound.PUBLISHED, Bound.SOUND)],
            "words": lambda: case_figures.in_words(edited),
        },
    )


def of_random_logits(features: LocalFeatures) -> LocalFeatures:
    """A thousand classes on the map of BagNet-17, one of them ahead by little."""
    logits = np.random.default_rng(0).normal(0, 1, (1000, 26, 26)).astype(np.float32)
    logits[7] += 0.3
    return replace(
        features,
        model="random, as BagNet-17",
        classes=tuple(map(str, range(len(logits)))),
        receptive_field=ReceptiveField((17, 17), (8, 8)),
        framing=frame((224, 224), (224, 224)),
        pixels=np.zeros((3, 224, 224), np.float32),
        local_logits=logits,
    )


def main() -> int:
    fine = [of_a_board()]
    for name in ("tiles-coarse", "tiles"):
        model = load_model(name)
        features = extract(sample_path("coffee"), model)
        size = model.receptive_field.window_size(square(0.02, model.image_size))
        for threshold, bound in SETTINGS:
            fine.append(of_a_photo(features, RobustMasking(size, threshold, model.evidence, bound=bound)))
    fine.append(of_a_photo(of_random_logits(features), RobustMasking((6, 6))))
    fine.append(of_a_photo(of_random_logits(features), RobustMasking((6, 6), 0.1, bound=Bound.TIGHT)))
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Labels among the k best classes are counted as their certificates say, and never where nothing is ranked."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pg_core.evaluation.cases import evaluation_cases
from pg_core.evaluation.run import evaluate
from tests.pg_core.evaluation.test_evaluation import CASES, Means, config_of, painted


@pytest.fixture
def photos(tmp_path):
    return painted(tmp_path)


def test_labels_among_the_best_k_are_those_whose_rank_is_at_most_k(photos, tmp_path):
    model = Means()
    photos = [replace(photo, label=(photo.label + n % 2) % 3) for n, photo in enumerate(photos)]
    ranked = tuple(case for case in CASES if case.name in ("masking", "clipping"))
    ranked = tuple(case for case in ranked if getattr(case.defence, "threshold", 0.0) == 0.0)
    assert len(ranked) == 4
    evaluation = evaluate(model, photos, ranked, tmp_path / "table", top=(2, 1, 2))
    for run, case in zip(evaluation.runs, ranked, strict=True):
        certificates = []
        for photo in photos:
            pixels = np.asarray(Image.open(photo.path), np.float32).transpose(2, 0, 1) / np.float32(255)
            certificates.append(
                case.defence.certify(model.local_logits(pixels), photo.label, evaluation.delta)
            )
        assert [own.k for own in run.top] == [1, 2]
        for own in run.top:
            assert own.clean.count == sum(bool(c.rank <= own.k) for c in certificates)
            assert own.certified.count == sum(bool(c.certified_among(own.k)) for c in certificates)
        assert (run.top[0].clean, run.top[0].certified) == (run.clean, run.certified)
    assert all(run.top[1].clean.count > run.clean.count > 0 for run in evaluation.runs)
    again = Means()
    assert evaluate(again, photos, ranked, tmp_path / "table", top=(1, 2)).runs == evaluation.runs
    assert not again.images


@pytest.mark.parametrize(
    ("names", "threshold", "top", "said"),
    [
        (("masking",), 0.0, (0,), "expected 1 <= k <= 3 classes, got 0"),
        (("masking",), 0.0, (4,), "expected 1 <= k <= 3 classes, got 4"),
        (("masking",), 0.1, (1,), "expected a defence that ranks the classes"),
        (("detection",), 0.0, (1,), "expected a defence that ranks the classes"),
        (("feature-masking",), 0.0, (1,), "expected a defence that ranks the classes"),
    ],
)
def test_the_best_k_are_refused_before_the_network_runs_where_nothing_is_ranked(
    photos, names, threshold, top, said
):
    model = Means()
    cases = evaluation_cases(config_of(model), ((4, 4),), names, (threshold,))
    with pytest.raises(ValueError, match=said):
        evaluate(model, photos, cases, top=top)
    assert not model.images

"""The accuracies of a run, counted as results come, so that a run over many photos needs no more memory than one over
few."""

from collections import Counter
from collections.abc import Mapping, Sequence

from pg_core.datasets.folders import hash_of_photos
from pg_core.defences.base import Claim, Verdict
from pg_core.evaluation.outcomes import Counted, setting_keys
from pg_core.evaluation.proportion import Proportion
from pg_core.evaluation.results import Accuracy, Configuration, Evaluation, TopAccuracy


class Tally:
    """Counts of verdicts and of right predictions under each setting of a configuration, and, for each k of `top`, of
    labels among the k best."""

    def __init__(self, configuration: Configuration, labelled: bool, top: Sequence[int] = ()) -> None:
        self._configuration, self._labelled, self._top = configuration, labelled, tuple(top)
        self._keys = setting_keys(configuration)
        classes = len(configuration.classes)
        self._verdicts = {key: tuple(Counter[Verdict]() for _ in range(classes)) for key in self._keys}
        self._clean: Counter[str] = Counter()
        self._ranks: dict[str, Counter[int]] = {key: Counter() for key in self._keys}
        self._least_ranks: dict[str, Counter[int]] = {key: Counter() for key in self._keys}
        self._undefended, self._delta = 0, 0.0
        self._photos: list[tuple[str, str, int | None]] = []

    @property
    def n(self) -> int:
        """The number of photos."""
        return len(self._photos)

    @property
    def names(self) -> set[str]:
        """Those of the photos."""
        return {name for name, _, _ in self._photos}

    @property
    def names_by_content(self) -> dict[str, str]:
        """The name of a photo of each content."""
        return {sha256: name for name, sha256, _ in self._photos}

    def add(self, name: str, results: Mapping[str, Counted]) -> None:
        """Count a photo, by its results under the keys of all settings. Raises ValueError for one without ranks where
        `top` needs them."""
        first = results[self._keys[0]]
        self._photos.append((name, first.sha256, first.label))
        self._undefended += first.undefended == first.label
        self._delta = max(self._delta, first.delta)
        by = first.undefended if first.label is None else first.label
        for key in self._keys:
            result = results[key]
            self._verdicts[key][by][result.verdict] += 1
            self._clean[key] += result.prediction == result.label
            if not self._top:
                continue
            if result.rank is None or result.least_rank is None:
                raise ValueError(
                    f"expected the rank of {name}'s class, got a row without one, of an earlier version: name another "
                    "table, which is measured anew"
                )
            self._ranks[key][result.rank] += 1
            self._least_ranks[key][result.least_rank] += 1

    def evaluation(self, folder: str) -> Evaluation:
        """The accuracies of all photos so far. Every verdict is counted, one that is absent as 0."""
        runs = []
        for key, setting in zip(self._keys, self._configuration.settings, strict=True):
            verdicts = self._verdicts[key]
            certified = Proportion(sum(own[Verdict.CERTIFIED] for own in verdicts), self.n)
            clean = Proportion(self._clean[key], self.n) if self._labelled else None
            proved = None if setting.claim is Claim.NOTHING else certified
            top = tuple(self._among(key, k) for k in self._top)
            runs.append(Accuracy(setting, clean, proved, verdicts, top))
        return Evaluation(
            self._configuration,
            folder,
            hash_of_photos(self._photos),
            self._delta,
            Proportion(self._undefended, self.n) if self._labelled else None,
            tuple(runs),
        )

    def _among(self, key: str, k: int) -> TopAccuracy:
        """How many labels are among the k best, and how many are proved to stay there."""
        clean, certified = (
            Proportion(sum(count for rank, count in counted[key].items() if rank <= k), self.n)
            for counted in (self._ranks, self._least_ranks)
        )
        return TopAccuracy(k, clean if self._labelled else None, certified)

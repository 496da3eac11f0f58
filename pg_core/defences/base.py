"""What every defence answers with: a verdict, and for each malicious window two bounds, a rival and a margin.

The outcome of [PG] Algorithm 2 as a value (section 5). It leaves out how the bounds come about.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from jaxtyping import Bool

from pg_core.arrays import Labels, WindowFlags, WindowLabels, WindowValues, first_largest
from pg_core.geometry import Window, Windows


class Verdict(StrEnum):
    """What is known of one image and label."""

    MISCLASSIFIED = "misclassified"
    """The defended prediction is not the label, without any patch."""
    VULNERABLE = "vulnerable"
    """Some malicious window has no positive margin."""
    CERTIFIED = "certified"
    """No patch inside any malicious window can change the defended prediction, which is the label."""
    UNDECIDED = "undecided"
    """Every margin is positive, but one is within the float tolerance of the network: not certified."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Certificate:
    """Bounds on the score of the label and of its best rival for each malicious window, with or without
    *batch.

    lower - upper is the margin. `outside` is t, the label's evidence outside the malicious window, `other`
    the most that one other window holds of it (m). A margin counts as positive above `tolerance`: eps of
    section 5 and, where an error within eps would lower the bound by a jump, the height of that jump. A tie is
    not a certificate.
    """

    windows: Windows
    label: Labels
    prediction: Labels
    lower: WindowValues
    upper: WindowValues
    rival: WindowLabels
    outside: WindowValues
    other: WindowValues
    tolerance: WindowValues

    @property
    def margin(self) -> WindowValues:
        return self.lower - self.upper

    @property
    def failing(self) -> WindowFlags:
        """Malicious windows without a positive margin."""
        return self.margin <= 0

    @property
    def undecided(self) -> WindowFlags:
        """Malicious windows whose margin is positive but within the tolerance."""
        return (self.margin > 0) & (self.margin <= self.tolerance)

    @property
    def certified(self) -> Bool[np.ndarray, "*batch"]:
        """Whether the label is predicted and every margin is above the tolerance."""
        proved = (self.margin > self.tolerance).all(axis=(-2, -1))
        return np.asarray(proved & (self.prediction == self.label))

    @property
    def verdict(self) -> Verdict:
        """The verdict on one image: index a batch first."""
        self._require_one()
        if self.prediction != self.label:
            return Verdict.MISCLASSIFIED
        if self.failing.any():
            return Verdict.VULNERABLE
        return Verdict.CERTIFIED if self.certified else Verdict.UNDECIDED

    @property
    def worst(self) -> Window:
        """The malicious window with the smallest margin, the first on ties, of one image."""
        self._require_one()
        return self.windows.at(int(first_largest(-self.margin.reshape(-1))))

    def __getitem__(self, index: int) -> "Certificate":
        """The certificate of one image of a batch."""
        if not self.label.ndim:
            raise IndexError("expected a batch of certificates, got the certificate of one image")
        return replace(
            self,
            label=np.asarray(self.label[index]),
            prediction=np.asarray(self.prediction[index]),
            lower=self.lower[index],
            upper=self.upper[index],
            rival=self.rival[index],
            outside=self.outside[index],
            other=self.other[index],
            tolerance=self.tolerance[index],
        )

    def __repr__(self) -> str:
        if self.label.ndim:
            return f"Certificate(batch of {self.label.shape}, {self.certified.sum()} certified)"
        count = self.windows.count
        return (
            f"Certificate({self.verdict}, label {self.label}, {self.failing.sum()} of {count} windows fail)"
        )

    def _require_one(self) -> None:
        if self.label.ndim:
            raise ValueError(f"expected the certificate of one image, got a batch of {self.label.shape}")

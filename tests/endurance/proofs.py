"""Many certificate files, and many changes of them: the checker agrees with the library, and takes no false one.

    python -m tests.endurance.proofs [proofs] [changes of each]

By default 1,000 proofs and 20 changes of each. A file that is changed must be refused, or differ in what it takes on
trust alone, or be true by literal loops. Prints the counts; exits with 1 if the checker and the library differ at a
window, or if a false statement was taken.
"""

import sys
import time
from collections import Counter

import numpy as np

from pg_core.proofs.checker import Proof
from pg_core.proofs.statement import prove, serialised
from tests.pg_core.proofs.drawn import SUBJECT, agreed, drawn_analysis
from tests.pg_core.proofs.tampering import changed, judged

_EVERY = 60.0
"""Seconds between two lines."""


def main() -> int:
    """Draw, prove, check, change; and say what came of it."""
    proofs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    changes = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    found, outcomes, began = Counter[str](), Counter[str](), time.monotonic()
    said = began
    for seed in range(proofs):
        # Other seeds than the tests have.
        random = np.random.default_rng([7, seed])
        analysis = drawn_analysis(random)
        data = serialised(prove(analysis, SUBJECT))
        proof = Proof(data)
        certified = proof.check()
        if not agreed(proof.verdict, certified, analysis):
            found["different"] += 1
            print(f"DIFFERENT: seed {seed}, {analysis}", flush=True)
        found[proof.verdict] += 1
        found[proof.field("defence.name")] += 1
        found["windows"] += len(certified)
        for number in range(changes):
            outcome = judged(data, changed(data, random))
            outcomes[outcome] += 1
            if outcome == "false":
                print(f"FALSE: seed {seed}, change {number}", flush=True)
        if time.monotonic() - said > _EVERY:
            said = time.monotonic()
            print(f"{seed + 1} proofs, {outcomes.total()} changes", flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{proofs:,} proofs, {minutes:.1f} minutes: {dict(found)}")
    print(f"{outcomes.total():,} changes: {dict(outcomes)}")
    return int(bool(found["different"] or outcomes["false"]))


if __name__ == "__main__":
    sys.exit(main())

"""Certificate files, those that are proofs and more that are none, for every program that checks such files.

    python -m tests.pg_core.proofs.write_corpus

writes the folder `corpus` beside this file. Its index.json names for each file what it is, the exit code that it must
get (format.md), the field that the refusal begins with, and the defence, null where the form of the file is wrong.
"""

import json
from pathlib import Path

from pg_core.defences.patchguard.masking import RobustMasking
from pg_core.proofs.statement import serialised
from tests.pg_core.proofs.corpus_false_claims import (
    false_claims,
    false_forms,
    false_geometry,
    false_witnesses,
)
from tests.pg_core.proofs.corpus_false_defences import false_alerts, false_votes
from tests.pg_core.proofs.corpus_false_numbers import false_bounds, false_evidence, published
from tests.pg_core.proofs.corpus_good import good, image, stated

FOLDER = Path(__file__).parent / "corpus"
INDEX = "index.json"


def false():
    """By name: what it is, the exit code, the field, and the file or the statement."""
    base = stated(image(), RobustMasking((2, 2), 0.2))
    groups = (
        false_evidence,
        false_bounds,
        published,
        false_geometry,
        false_claims,
        false_votes,
        false_alerts,
    )
    for name, what, field, content in (
        *(case for group in groups for case in group(base)),
        *false_witnesses(),
    ):
        yield name, what, 1, field, content
    yield from false_forms(base)


def main():
    """Write every file and the index."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    index = []
    cases = [(f"good-{name}", what, 0, None, content) for name, what, content in good()]
    cases += [(f"false-{name}", *rest) for name, *rest in false()]
    for name, what, code, field, content in cases:
        data = serialised(content) if isinstance(content, dict) else content
        file = f"{name}.proof.json"
        assert not (FOLDER / file).exists(), f"expected one file of each name, got {name} twice"
        (FOLDER / file).write_bytes(data.encode() if isinstance(data, str) else data)
        # A checker that knows some of the defences alone passes over the others.
        defence = content["predicate"]["defence"]["name"] if isinstance(content, dict) else None
        index.append({"file": file, "what": what, "exit_code": code, "field": field, "defence": defence})
    (FOLDER / INDEX).write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The doors that are fuzzed, and sound inputs for each: photos, cards, links, outcome lines, tables, archives of local
logits, checkpoints and certificate files.

Not here: how inputs are made and run, see `fuzz`.
"""

import base64
import contextlib
import hashlib
import json
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pg_core.datasets.folders import LabelledPhoto
from tests.hostile import archives, cards, checkpoints, photo_files, photos
from tests.hostile.links import link_cases

_CONFIGURATION = {"classes": ["cat", "dog"], "settings": [{"claim": "keeps the label"}]}


@dataclass(frozen=True)
class Target:
    """A door, and sound inputs for it. `try_` takes bytes; it passes over the errors that the door promises."""

    seeds: Callable[[], list[bytes]]
    try_: Callable[[bytes, Path], None]
    modules: tuple[str, ...]
    """Which of them atheris watches."""


def _photo(data: bytes, folder: Path) -> None:
    from pg_core.photos.read import ImageError, framed

    with contextlib.suppress(ImageError):
        framed(data, (32, 32))


def _card(data: bytes, folder: Path) -> None:
    from pg_core.networks.own import card_in, write_card

    path = folder / "mine.network.json"
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        write_card(card_in(path))


def _link(data: bytes, folder: Path) -> None:
    from tests.hostile.kinds import follow

    with contextlib.suppress(ValueError):
        query = json.loads(data)
        if isinstance(query, dict):
            follow({str(name): str(value) for name, value in query.items()})


def _lines(data: bytes, folder: Path) -> None:
    from pg_core.evaluation.bracket import attacked_photo
    from pg_core.evaluation.lines import begin, read_lines

    path = folder / "lines.jsonl"
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        begin(path, read_lines(path, _CONFIGURATION, "photos", attacked_photo))


def _table(data: bytes, folder: Path) -> None:
    from pg_core.evaluation.outcome_table import as_lines, open_table

    (folder / "part-00000001.parquet").write_bytes(data)
    with contextlib.suppress(ValueError):
        as_lines(open_table(folder))


def _archive(data: bytes, folder: Path) -> None:
    from pg_core.datasets.local_logits import Layout, Stated, read_local_logits, with_values

    path = folder / "maps.npz"
    path.write_bytes(data)
    for stated in (Stated(), Stated(Layout.CLASSES_FIRST, False)):
        with contextlib.suppress(ValueError):
            for _ in with_values(read_local_logits(path, stated).values()):
                pass


def _checkpoint(data: bytes, folder: Path) -> None:
    from pg_core.networks.network import CheckpointError, read_state
    from pg_core.networks.published import recognise

    for name in ("a.pth", "a.safetensors"):
        path = folder / name
        path.write_bytes(data)
        recognise(path)
        with contextlib.suppress(CheckpointError):
            read_state(path)


def _proof(data: bytes, folder: Path) -> None:
    from pg_core.proofs.checker import Proof, RefusedError, UnreadableError

    for content in (data, _in_canonical_form(data)):
        with contextlib.suppress(RefusedError, UnreadableError):
            Proof(content).require_certified(None)


def _in_canonical_form(data: bytes) -> bytes:
    """What is changed is hardly ever in the one form, nor has its evidence the hash, without which nothing more is
    looked at."""
    from pg_core.proofs.checker import MAX_CELLS, canonical

    with contextlib.suppress(ValueError, RecursionError, LookupError, TypeError, zlib.error):
        content = json.loads(data)
        with contextlib.suppress(ValueError, LookupError, TypeError, zlib.error):
            evidence = content["predicate"]["evidence"]
            packed = base64.b64decode(evidence["values"])
            values = zlib.decompressobj().decompress(packed, 8 * MAX_CELLS)
            evidence["sha256"] = hashlib.sha256(values).hexdigest()
        return canonical(content).encode()
    return data


def _photo_seeds() -> list[bytes]:
    odd = [
        case
        for case in photos.photo_cases()
        if case.name.startswith(("png of", "jpeg of", "exif", "eXIf", "palette"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        return [*photo_files.seeds().values(), *(case.make(Path(folder)).read_bytes() for case in odd)]


def _link_seeds() -> list[bytes]:
    whole = {
        "photo": "coffee",
        "frame": "3,4",
        "network": "cifar10",
        "size": "4x5",
        "threshold": "0.1",
        "evidence": "logits",
    }
    whole |= {
        "clip": "20",
        "bound": "tight",
        "label": "cat",
        "class": "dog",
        "patch": "1,2,3,4",
        "window": "1,2",
    }
    contents = ("noise:3", "solid:ff0000", "checkerboard", "sticker:coffee:1,2,30,40")
    return [
        *(json.dumps(whole | {"contents": each}).encode() for each in contents),
        *(json.dumps(case.query).encode() for case in link_cases()[::7]),
    ]


def _proof_seeds() -> list[bytes]:
    """Proofs, and files that are none."""
    corpus = Path(__file__).parents[1] / "pg_core" / "proofs" / "corpus"
    return [path.read_bytes() for path in sorted(corpus.glob("*.proof.json"))]


def _line_seeds() -> list[bytes]:
    """Lines as a run writes them."""
    from pg_core.evaluation.bracket import AttackedPhoto, State, attacked_photo
    from pg_core.evaluation.lines import append, begin, read_lines

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"
        begin(path, read_lines(path, _CONFIGURATION, "photos", attacked_photo))
        append(path, AttackedPhoto("a/1.png", "0" * 64, 1, State.OPEN, 1))
        append(path, AttackedPhoto("b/2.png", "1" * 64, 1, State.BROKEN, 1, (0, 0, 2, 2), 0))
        return [path.read_bytes()]


def _table_seeds() -> list[bytes]:
    """A part as a run writes it."""
    from pg_core.defences.spec import DefenceConfig
    from pg_core.evaluation.cases import evaluation_cases
    from pg_core.evaluation.run import evaluate
    from tests.colours import Colours

    config = DefenceConfig(Colours.receptive_field, Colours.image_size, Colours.evidence, (4, 4))
    cases = evaluation_cases(config, ((24, 24),), ("masking", "undefended"))
    with tempfile.TemporaryDirectory() as name:
        photo = Path(name) / "red" / "a.png"
        photo.parent.mkdir()
        Image.new("RGB", (64, 48), "red").save(photo)
        evaluate(Colours(), [LabelledPhoto(photo, "red/a.png", 0)], cases, Path(name) / "table")
        return [path.read_bytes() for path in Path(name, "table").glob("part-*")]


TARGETS = {
    "photos": Target(
        _photo_seeds,
        _photo,
        ("pg_core.photos.read", "pg_core.photos.formats", "pg_core.photos.colour", "PIL"),
    ),
    "cards": Target(
        lambda: [card.encode() for card in cards.seeds()], _card, ("pg_core.networks.own", "json")
    ),
    "links": Target(_link_seeds, _link, ("app.links",)),
    "lines": Target(_line_seeds, _lines, ("pg_core.evaluation.lines", "json")),
    "tables": Target(_table_seeds, _table, ("pg_core.evaluation.outcome_table",)),
    "archives": Target(archives.seeds, _archive, ("pg_core.datasets.local_logits", "numpy.lib", "zipfile")),
    "checkpoints": Target(
        checkpoints.seeds,
        _checkpoint,
        (
            "pg_core.networks.network",
            "pg_core.networks.conventions",
            "pg_core.networks.pickles",
            "torch._weights_only_unpickler",
        ),
    ),
    "proofs": Target(_proof_seeds, _proof, ("pg_core.proofs.checker", "json")),
}

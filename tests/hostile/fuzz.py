"""A fuzzer for the doors: photos, cards, links, outcome lines, tables, archives of local logits and checkpoints.

    python -m tests.hostile.fuzz --minutes 60

Where atheris is installed (`python -m pip install atheris`) the inputs are guided by what they reach in `pg_core` and
`app`; elsewhere the seeds of the corpus are mutated. Each target runs in forked processes with limits of memory and of
time, so that one input ends no more than its process. What is neither taken nor refused by the errors that a door
promises is written to a folder, with its traceback; then the exit code is 1.
"""

import argparse
import contextlib
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from pg_core.datasets.folders import LabelledPhoto
from tests.hostile import archives, cards, checkpoints, photo_files, photos
from tests.hostile.cage import HARD_LIMIT, SECONDS, caged
from tests.hostile.links import link_cases
from tests.hostile.names import TEXTS

MAX_INPUT = 20_000
"""Bytes of an input: what is wrong is mostly wrong early."""
_AT_ONCE = 200
"""Inputs that a forked process is given."""
_TURNS = {"mutations": 20.0, "atheris": 300.0}
"""Seconds after which the next target has its turn; atheris imports everything anew for each."""
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
}


def mutated(seeds: list[bytes], chance: random.Random) -> bytes:
    """A seed with some bytes, bits, lengths or parts changed, or spliced with another."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 5, 10))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(9):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                data[at : at + 1] = chance.randbytes(1)
            case 2:
                data[at : at + chance.choice((1, 4, 30, 300))] = b""
            case 3:
                data[at:at] = data[at : at + chance.choice((1, 4, 30, 300))]
            case 4:  # a length, in either order
                value = chance.choice(
                    (0, 1, 255, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, chance.getrandbits(32))
                )
                data[at : at + 4] = struct.pack(chance.choice(("<I", ">I")), value)
            case 5:
                other = chance.choice(seeds)
                data[at:] = other[chance.randrange(len(other) + 1) :]
            case 6:  # a word of JSON, or of what a link holds
                words = ("null", "NaN", "1e999", "-1", "[]", "{}", '""', "true", "9" * 30, "\\ud800", *TEXTS)
                data[at:at] = chance.choice(words).encode("utf-8", "surrogatepass")
            case 7:  # a whole number in a text
                digits = [place for place, sign in enumerate(data) if 48 <= sign < 58]
                if digits:
                    place = chance.choice(digits)
                    data[place : place + 1] = str(chance.choice((-1, 0, 10**6, 2**63, 1.5, 10**40))).encode()
            case _:
                del data[at:]
    content = bytes(data[:MAX_INPUT])
    return checksums_set(content) if chance.random() < 0.8 else content


def checksums_set(data: bytes) -> bytes:
    """A PNG file with the right checksums, without which no decoder looks into a chunk; others as they are."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            break
        content = data[at + 4 : at + 8 + length]
        parts += [data[at : at + 4], content, struct.pack(">I", zlib.crc32(content))]
        at += 12 + length
    return b"".join([*parts, data[at:]])


@cache
def _seeds(name: str) -> list[bytes]:
    return [seed for seed in TARGETS[name].seeds() if len(seed) <= MAX_INPUT]


def _tried(name: str, data: bytes) -> dict[str, object]:
    """In the cage: nothing to say of an input that is taken or refused as promised."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        try:
            TARGETS[name].try_(data, Path(folder))
        except Exception:
            return {"found": traceback.format_exc()}
    return {}


def mutation_turn(name: str, until: float, chance: random.Random, folder: Path) -> tuple[int, int]:
    """Try mutations of the seeds until then; how many were tried, and how many failed."""
    tried = found = 0
    while time.monotonic() < until:
        inputs = [mutated(_seeds(name), chance) for _ in range(_AT_ONCE)]
        for data, answer in zip(
            inputs, caged(inputs, lambda data: _tried(name, data), HARD_LIMIT), strict=True
        ):
            tried += 1
            why = answer.get("found") or answer.get("ended")
            if why:
                found += 1
                _write(folder, name, data, str(why))
            if time.monotonic() >= until + SECONDS:
                break
    return tried, found


def _write(folder: Path, name: str, data: bytes, why: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{zlib.crc32(data):08x}"
    path.with_suffix(".input").write_bytes(data)
    path.with_suffix(".txt").write_text(why, encoding="utf-8", errors="backslashreplace")
    print(f"{name}: {why.strip().splitlines()[-1]} ({path}.input)", flush=True)


def guided_turn(name: str, seconds: float, seed: int, corpus: Path, folder: Path) -> tuple[int, int]:
    """The same by atheris, in a process of its own: libFuzzer ends the process that it is called in."""
    own = corpus / name
    if not own.exists():
        own.mkdir(parents=True)
        for number, content in enumerate(_seeds(name)):
            (own / str(number)).write_bytes(content)
    command = [
        sys.executable,
        "-m",
        "tests.hostile.fuzz",
        "--guided",
        name,
        "--found",
        str(folder),
        "--seed",
        str(seed),
    ]
    command += ["--corpus", str(own), "--seconds", str(max(1, int(seconds)))]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    tried = max(
        [
            0,
            *(
                int(line[1:].split()[0])
                for line in run.stderr.splitlines()
                if line[:1] == "#" and line[1:2].isdigit()
            ),
        ]
    )
    if run.returncode:
        left = sorted(folder.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
        data = left[-1].read_bytes() if left else b""
        _write(folder, name, data, run.stdout[-3000:] + run.stderr[-3000:])
    return tried, int(run.returncode != 0)


def guided(name: str, seed: int, seconds: int, corpus: str, folder: Path) -> None:
    """In the process of atheris; it does not come back."""
    import atheris

    with atheris.instrument_imports(include=list(TARGETS[name].modules), enable_loader_override=False):
        import tests.hostile.kinds  # noqa: F401  (what the targets import is watched)
    work = Path(tempfile.mkdtemp())

    def one(data: bytes) -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            TARGETS[name].try_(checksums_set(data), work)

    folder.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_INPUT}", f"-timeout={SECONDS}"]
    options += ["-rss_limit_mb=3000", f"-artifact_prefix={folder}/{name}-", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, corpus], one)
    atheris.Fuzz()


def main() -> int:
    """Take turns until the minutes are over; 1 if anything was found."""
    parser = argparse.ArgumentParser(description="Fuzz the doors of PatchGuard Explorer.")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"), help="folder for what fails")
    parser.add_argument(
        "--engine", choices=("atheris", "mutations"), help="default: atheris where it is installed"
    )
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--guided", choices=TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--corpus", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.guided:
        guided(options.guided, options.seed, options.seconds, options.corpus, options.found)
        return 0
    engine = options.engine or ("atheris" if find_spec("atheris") else "mutations")
    print(f"fuzzing by {engine}, seed {options.seed}, {options.minutes:g} minutes", flush=True)
    return run(engine, options.minutes * 60, options.seed, options.targets, options.found)


def run(engine: str, seconds: float, seed: int, names: list[str], folder: Path) -> int:
    """Give each target its turns; counts every minute and at the end."""
    if engine == "mutations":
        from tests.hostile.kinds import KINDS

        KINDS["links"].warm()  # imports everything
    chance = random.Random(seed)
    tried, found = Counter(dict.fromkeys(names, 0)), 0
    end, told = time.monotonic() + seconds, time.monotonic()
    turn = min(_TURNS[engine], seconds / len(names))
    with tempfile.TemporaryDirectory() as corpus:
        while time.monotonic() < end:
            for name in names:
                left = min(turn, end - time.monotonic())
                if left <= 0:
                    break
                if engine == "atheris":
                    more, failed = guided_turn(name, left, chance.getrandbits(31), Path(corpus), folder)
                else:
                    more, failed = mutation_turn(name, time.monotonic() + left, chance, folder)
                tried[name] += more
                found += failed
                if time.monotonic() - told >= 60:
                    told = time.monotonic()
                    print(_counts(tried, found), flush=True)
    print(_counts(tried, found), flush=True)
    return int(found > 0)


def _counts(tried: Counter[str], found: int) -> str:
    each = ", ".join(f"{count:,} {name}" for name, count in tried.items())
    return f"{sum(tried.values()):,} inputs ({each}), {found} found"


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())

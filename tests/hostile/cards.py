"""Cards of own networks with every entry wrong in each way, and texts that are no cards: at least 150."""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.case import Case, of_bytes
from tests.hostile.names import NAME, TEXTS

_FILE = "mine.network.json"
_CARD = {
    "title": "Mine",
    "file": "mine.pt2",
    "sha256": "0" * 64,
    "image_size": [40, 48],
    "receptive_field": {"size": [11, 11], "stride": [4, 4], "offset": [0, 0], "wrapping": False},
    "classes": ["a", "b"],
    "mean": [0.5, 0.5, 0.5],
    "deviation": [0.5, 0.5, 0.5],
    "evidence": "confidence",
    "part": "middle",
    "base": "",
    "side": 0,
}
_VALUES: dict[str, object] = {
    "null": None,
    "true": True,
    "a whole number": 7,
    "a number below nothing": -1,
    "a fraction": 1.5,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "10**400": 10**400,
    "nothing": "",
    "a word": "evil",
    "hostile text": NAME,
    "a list": [],
    "a list of null": [None, None],
    "an object": {},
}


def card_cases() -> list[Case]:
    """All of them; the files are made when they are tried."""
    return [
        *_of_wrong_entries(),
        *_of_wrong_fields(),
        *_of_values_that_cannot_be(),
        *_odd_and_sound(),
        *_no_cards(),
        *_no_files(),
    ]


def seeds() -> list[str]:
    """Sound cards: of a program, and of plain weights."""
    tiles = {"file": "mine.pth", "base": "torchvision/resnet18", "side": 64}
    return [json.dumps(_CARD), json.dumps(_CARD | tiles)]


def _card(name: str, content: object, accepted: bool | None = False, word: str = "not the card") -> Case:
    text = content if isinstance(content, str) else json.dumps(content)
    return of_bytes(name, text.encode(), _FILE, accepted, "" if accepted else word)


def _of_wrong_entries() -> Iterator[Case]:
    sound = {
        ("title", "a word"),
        ("title", "hostile text"),
        ("side", "a whole number"),
        ("side", "a number below nothing"),
    }
    sound |= {("base", word) for word in ("nothing", "a word", "hostile text")}
    for (entry, _), (what, value) in itertools.product(_CARD.items(), _VALUES.items()):
        yield _card(f"{entry}: {what}", _CARD | {entry: value}, (entry, what) in sound)
    for entry in ("title", "file", "sha256", "image_size", "receptive_field", "classes"):
        less = {name: value for name, value in _CARD.items() if name != entry}
        yield _card(f"{entry}: missing", less, False, "missing")


def _of_wrong_fields() -> Iterator[Case]:
    """Entries within the receptive field."""
    field = _CARD["receptive_field"]
    assert isinstance(field, dict)
    for entry, what in itertools.product(
        field, ("null", "true", "a fraction", "NaN", "10**400", "a word", "a list", "an object")
    ):
        changed = field | {entry: _VALUES[what]}
        yield _card(f"receptive_field, {entry}: {what}", _CARD | {"receptive_field": changed})
    for name, change in {
        "size of nothing": {"size": [0, 11]},
        "size below nothing": {"size": [-11, 11]},
        "size larger than the image": {"size": [41, 11]},
        "size of three": {"size": [11, 11, 11]},
        "stride of nothing": {"stride": [0, 4]},
        "offset below nothing": {"offset": [-1, 0]},
        "offset as large as the field": {"offset": [11, 11]},
        "unknown entry": {"padding": [1, 1]},
        "size of 10**18": {"size": [10**18, 10**18]},
    }.items():
        yield _card(
            f"receptive_field, {name}",
            _CARD | {"receptive_field": field | change},
            None if "as large" in name else False,
        )


def _of_values_that_cannot_be() -> Iterator[Case]:
    for name, change in {
        "title of blanks": {"title": " \t\n"},
        "title of a megabyte": {"title": "x" * 10**6},
        "title of a shipped network": {"title": "tiles"},
        "title of 201 letters": {"title": "x" * 201},
        "file in another folder": {"file": "../mine.pt2"},
        "file at the root": {"file": "/etc/passwd.pt2"},
        "file with a backslash": {"file": "..\\mine.pt2"},
        "file with NUL": {"file": "\0mine.pt2"},
        "file that is a folder": {"file": ".."},
        "file without a name": {"file": ".pt2"},
        "file of a pickle": {"file": "mine.pkl"},
        "sha256 in capitals": {"sha256": "A" * 64},
        "sha256 of 63 digits": {"sha256": "0" * 63},
        "sha256 of a megabyte": {"sha256": "0" * 10**6},
        "sha256 of digits of another alphabet": {"sha256": "٠" * 64},
        "image of nothing": {"image_size": [0, 48]},
        "image of 10**6": {"image_size": [10**6, 48]},
        "image of one number": {"image_size": [40]},
        "image of texts": {"image_size": ["40", "48"]},
        "one class": {"classes": ["a"]},
        "25,001 classes": {"classes": [str(number) for number in range(25_001)]},
        "twice the same class": {"classes": ["a", "b", "a"]},
        "a blank class": {"classes": ["a", " "]},
        "a class of a megabyte": {"classes": ["a", "x" * 10**6]},
        "classes as one text": {"classes": "ab"},
        "a deviation of 0": {"deviation": [0, 1, 1]},
        "a deviation below 0": {"deviation": [-1, 1, 1]},
        "means of 0 to 255": {"mean": [123.7, 116.3, 103.5]},
        "four means": {"mean": [0, 0, 0, 0]},
        "means of texts": {"mean": ["0", "0", "0"]},
        "means of truths": {"mean": [True, False, True]},
        "an unknown entry": {"colour": "blue"},
        "an unknown entry of a megabyte": {"x" * 10**6: 1},
        "evidence in capitals": {"evidence": "LOGITS"},
        "weights without a base": {"file": "mine.pth"},
        "a base of no library": {"file": "mine.pth", "base": "os/system", "side": 64},
        "a side of 10**6": {"file": "mine.pth", "base": "torchvision/resnet18", "side": 10**6},
        "half a letter in the title": {"title": "\ud800"},
        "half a letter in a class": {"classes": ["a", "\udfff"]},
    }.items():
        yield _card(name, _CARD | change)


def _odd_and_sound() -> Iterator[Case]:
    for number, text in enumerate(TEXTS):
        yield _card(
            f"hostile text {number} as title and class", _CARD | {"title": text, "classes": [text, "b"]}, True
        )
    yield _card(
        "a base that is not there", _CARD | {"file": "mine.pth", "base": "torchvision/../x", "side": 64}, True
    )
    yield _card(
        "a base out of timm's hub",
        _CARD | {"file": "mine.pth", "base": "timm/hf_hub:evil/x", "side": 64},
        True,
    )
    yield _card("25,000 classes", _CARD | {"classes": [str(number) for number in range(25_000)]}, True)
    yield _card("a file name of 200 letters", _CARD | {"file": "猫" * 196 + ".pt2"}, True)
    yield of_bytes("a byte order mark", json.dumps(_CARD).encode("utf-8-sig"), _FILE, True)


def _no_cards() -> Iterator[Case]:
    text = json.dumps(_CARD)
    for name, content in {
        "empty": "",
        "blank": "  \n",
        "null": "null",
        "a number": "7",
        "a list": "[]",
        "a text": '"card"',
        "a list of cards": f"[{text}]",
        "a card and more": text + text,
        "a card without its end": text[:-1],
        "a comma too many": text[:-1] + ",}",
        "a comment": "// card\n" + text,
        "names without quotes": "{title: 1}",
        "single quotes": text.replace('"', "'"),
        "brackets in one another": "[" * 100_000,
        "braces in one another": '{"title": ' * 100_000,
        "brackets within a card": text.replace("[40, 48]", "[" * 100_000 + "]" * 100_000),
        "a thousand brackets within a card": text.replace("[40, 48]", "[" * 900 + "]" * 900),
        "twice the same entry": text[:-1] + ', "title": "Other"}',
        "twice the same entry within": text.replace('"size"', '"stride": [1, 1], "size"'),
        "digits without end": text.replace("[40, 48]", f"[{'9' * 5000}, 48]"),
        "an exponent without end": text.replace("[0.5,", f"[1e{'9' * 5000},"),
        "a megabyte of blanks and nothing": " " * 10**6,
        "an escape that is none": '{"title": "\\x"}',
        "a control in a text": '{"title": "\x00"}',
        "HTML": "<!DOCTYPE html><script>alert(1)</script>",
        "YAML": "title: !!python/object/apply:os.system ['true']",
    }.items():
        yield _card(f"a file of {name}", content)
    for encoding in ("utf-16", "utf-32", "latin-1"):
        content = json.dumps(_CARD | {"title": "é"}, ensure_ascii=False).encode(encoding)
        yield of_bytes(f"a card in {encoding}", content, _FILE, False, "UTF-8")
    yield of_bytes("bytes that are no letters", b"\xff" * 999, _FILE, False, "UTF-8")
    yield of_bytes("zeros", bytes(999), _FILE)
    yield of_bytes("20 MB of brackets", lambda: b"[" * (20 * 2**20), _FILE, False, "at most")


def _no_files() -> Iterator[Case]:
    """Paths at which no regular file is."""

    def pipe(folder: Path) -> Path:
        os.mkfifo(folder / _FILE)
        return folder / _FILE

    def loop(folder: Path) -> Path:
        (folder / _FILE).symlink_to(_FILE)
        return folder / _FILE

    def network_pipe(folder: Path) -> Path:
        os.mkfifo(folder / "mine.pt2")
        (folder / _FILE).write_text(json.dumps(_CARD))
        return folder / _FILE

    yield Case("a pipe", pipe, False, "a pipe")
    yield Case("a folder", lambda folder: folder, False, "a folder")
    yield Case("a loop of links", loop)
    yield Case("no file", lambda folder: folder / "none.network.json")
    yield Case("a device without end", lambda folder: Path("/dev/zero"), False, "a device")
    yield Case("a card of a pipe", network_pipe, True)

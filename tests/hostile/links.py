"""Links that say of each choice what it cannot be: at least 250."""

import itertools
from collections.abc import Iterator

from app.state.pages import NAMES
from tests.hostile.case import LinkCase
from tests.hostile.names import NAME, TEXTS

_PARTS = (
    *(
        "photo",
        "frame",
        "network",
        "checkpoint",
        "space",
        "size",
        "defence",
        "threshold",
        "evidence",
        "clip",
        "bound",
    ),
    *("alert_threshold", "masks_per_axis", "patch", "contents", "window", "copy", "board"),
)
"""What a link says, but for classes: any text may be one, until the network is known."""
_VALUES = {
    "nothing": "",
    "a blank": " ",
    "hostile text": NAME,
    "a long text": NAME * 100,
    "HTML": "<script>alert(1)</script>",
    "a path": "../../../etc/passwd",
    "NUL": "\0",
    "a number below nothing": "-1",
    "NaN": "nan",
    "infinity": "inf",
    "10**400": "1" + "0" * 400,
    "1e400": "1e400",
    "digits of another alphabet": "٣,٣,٣,٣",
    "encoded twice": "%2525%3Cscript%3E",
    "a list": "['chelsea']",
    "null": "None",
    "half a letter": "\ud800",
    "twenty commas": "," * 20,
    "colons": ":::::",
}
_NUMBERS = {
    "size": (
        "0x5",
        "5x0",
        "-5x5",
        "5x",
        "x",
        "5x5x5",
        "1e9x5",
        "0.0%",
        "101%",
        "nan%",
        "inf%",
        "%",
        "-2%",
        "5,5",
    ),
    "defence": ("MASKING", "masking ", "masking,detection", "robust masking", "patchguard"),
    "alert_threshold": ("-0.01", "1.01", "0,9", "1e400"),
    "masks_per_axis": ("0", "1", "17", "3.5", "-3", "9999999", "3x3"),
    "threshold": ("-0.01", "0.995", "1", "0,1", "0x1", "--1", "1e400"),
    "clip": ("0", "0.001", "65537", "-inf", "1e9", "10 000"),
    "patch": (
        "1,2,3",
        "1,2,3,4,5",
        "-1,2,3,4",
        "1,2,0,4",
        "1,2,3,0",
        "1.5,2,3,4",
        "a,b,c,d",
        "9999999,1,1,1",
        "999999,999999,999999,999999",
        "OFF",
    ),
    "window": ("1", "1,2,3", "-1,2", "1.0,2", "a,b", "9999999,1", "0x1,2", "99999999999999999999,1"),
    "contents": (
        *("noise", "noise:", "noise:-1", "noise:10000", "noise:0.5", "noise:1:2", "noise:nan", "solid:red"),
        *("solid:#ff0000", "solid:fffffff", "checkerboard:1", "sticker:coffee", "sticker:coffee:1,2,3"),
        *("sticker:nowhere:1,2,30,40", "sticker:coffee:1,2,0,40", "sticker:../x:1,2,3,4", "Noise:1"),
    ),
    "photo": ("A" * 64, "0" * 63, "0" * 65, "g" * 64, "Chelsea", "chelsea ", "http://127.0.0.1:1/a.png"),
    "frame": ("PAD", "pad ", "1", "1,2,3", "-1,2", "1.5,2", "left", "crop", "٣,٣", "9" * 30 + ",0"),
    "network": ("TILES", "tiles ", "tiles-192", "own-000000000000"),
    "space": ("outer", "NETWORK", "photo,network"),
    "evidence": ("hearsay", "LOGITS", "logits,confidence"),
    "bound": ("loose", "exact", "SOUND"),
    "copy": ("Certified", "certified ", "proved"),
    "board": (
        *("0.4", "0.4;0,0;1,2", "0.4;0,0;1,2;", "0.4;0,0;1,2/3;1", "0.4;5,5;1,2/3,4;1", "0.4;0,0;1,-2/3,4;1"),
        *(
            "2;0,0;1,2/3,4;1",
            "nan;0,0;1,2/3,4;1",
            "0.4;0,0;nan,2/3,4;1",
            "0.4;0,0;inf,2/3,4;1",
            "0.4;0;1,2/3,4;1",
        ),
        "0.4;0,0;" + "/".join([",".join("1" * 11)] * 11) + ";1",
    ),
    **dict.fromkeys(NAMES, ("", " ", NAME, "A", "..", "<b>", "\0", "a" * 301, "٣", "../x", "%2e")),
    "checkpoint": ("no-such.pth", "cifar10.safetensors", "/etc/passwd", "..pth"),
}
_SOUND: tuple[dict[str, str], ...] = (
    {},
    {"photo": "coffee"},
    {"photo": "0" * 64},
    {"frame": "pad"},
    {"size": "200000x200000"},
    {"size": "0.1%"},
    {"window": "999999,0"},
    {"patch": "off"},
    {"contents": "checkerboard"},
    {"contents": "solid:AbCdEf"},
    {"threshold": "0.99"},
    {"defence": "smoothing"},
    {"defence": "double-masking", "masks_per_axis": "16"},
    {"defence": "detection", "alert_threshold": "1"},
    {"clip": "65536"},
    {"label": NAME},
    {"class": NAME * 100},
    {"label": "\ud800"},
    {"label": ""},
    {"utm_source": NAME},
    {"__proto__": "x", "constructor": "y"},
)


def link_cases() -> list[LinkCase]:
    """All of them."""
    return [*_each_part(), *_numbers(), *_texts(), *_together(), *_sound()]


def on_the_page() -> list[LinkCase]:
    """A representative part, for the whole page: one or two of each kind of value, and all parts at once."""
    wrong = {case.name: case for case in link_cases()}
    names = [f"{part}: hostile text" for part in _PARTS]
    names += [
        "size=5x5x5",
        "window=99999999999999999999,1",
        "contents=sticker:coffee:1,2,0,40",
        "patch=1,2,0,4",
        "patch=999999,999999,999999,999999",
    ]
    names += ["everything: hostile text", "everything: encoded twice", "everything: NUL"]
    names += [f"sound {number}" for number in (2, 3, 4, 7, 11, 12, 15, 16, 19)]
    return [wrong[name] for name in names]


def _each_part() -> Iterator[LinkCase]:
    for part, (what, value) in itertools.product(_PARTS, _VALUES.items()):
        yield LinkCase(f"{part}: {what}", {part: value}, frozenset({part}))


def _numbers() -> Iterator[LinkCase]:
    for part, values in _NUMBERS.items():
        for value in values:
            yield LinkCase(f"{part}={value}", {part: value}, frozenset({part}))


def _texts() -> Iterator[LinkCase]:
    for number, text in enumerate(TEXTS):
        yield LinkCase(f"photo: hostile text {number}", {"photo": text}, frozenset({"photo"}))


def _together() -> Iterator[LinkCase]:
    for what, value in _VALUES.items():
        yield LinkCase(f"everything: {what}", dict.fromkeys(_PARTS, value), frozenset(_PARTS))


def _sound() -> Iterator[LinkCase]:
    for number, query in enumerate(_SOUND):
        yield LinkCase(f"sound {number}", query)

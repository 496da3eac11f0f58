"""Where the files lie that are no code: class names, results, and the weights of the shipped networks."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_IN_THE_WHEEL = _PACKAGE / "_assets"
"""Named in pyproject.toml, which copies there what the library reads of the checkout's assets."""
_ASSETS = _IN_THE_WHEEL if _IN_THE_WHEEL.is_dir() else _PACKAGE.parent / "assets"


def asset(name: str) -> Path:
    """The file or folder of this name in `assets`, with / between folders, in a checkout and installed."""
    return _ASSETS / name

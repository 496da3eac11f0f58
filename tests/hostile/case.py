"""One hostile file or link: how it comes about, and what is known of its fate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Case:
    """A file, made in an empty folder: `make` writes it and gives back its path. Whether it is `accepted` is None
    where a version of a decoder may decide; `word` is one that the sentence of a refusal holds; `options` are those of
    the command line, beside the ones of its kind."""

    name: str
    make: Callable[[Path], Path]
    accepted: bool | None = False
    word: str = ""
    options: Sequence[str] = ()


@dataclass(frozen=True)
class ImageCase:
    """The same for an image in memory, as `pg_core.extract` takes it."""

    name: str
    make: Callable[[], Image.Image]
    accepted: bool | None = False
    word: str = ""


@dataclass(frozen=True)
class LinkCase:
    """The query of a link; of each name in `refused` the page has to say that it means nothing here."""

    name: str
    query: dict[str, str]
    refused: frozenset[str] = frozenset()


def of_bytes(
    name: str,
    content: bytes | Callable[[], bytes],
    file: str,
    accepted: bool | None = False,
    word: str = "",
    options: Sequence[str] = (),
) -> Case:
    """A case that is a file of these bytes, under this name."""

    def make(folder: Path) -> Path:
        path = folder / file
        path.write_bytes(content() if callable(content) else content)
        return path

    return Case(name, make, accepted, word, options)

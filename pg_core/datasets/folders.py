"""Sample photos from installed packages, and folders of labelled photos.

Not here: downloading; the photos are the user's.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from pg_core.datasets.base import DATASETS
from pg_core.geometry import Size
from pg_core.io.files import UnreadableError, regular
from pg_core.networks.base import Part
from pg_core.photos.read import READABLE, SUFFIXES, FramedPhoto, ImageError, framed


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo inside a package, and what there is to see in it, in a word or two and in a sentence."""

    package: str
    file: str
    subject: str
    caption: str


SAMPLES: dict[str, Sample] = {
    "chelsea": Sample("skimage", "data/chelsea.png", "cat", "A cat"),
    "coffee": Sample("skimage", "data/coffee.png", "cup of espresso", "A cup of espresso"),
    "coins": Sample(
        "skimage",
        "data/coins.png",
        "coins",
        "Greek coins, which the first network certifies as a Petri dish against 2 % patches: a certificate says that "
        "no patch can change the answer, not that the answer is right",
    ),
    "rocket": Sample("skimage", "data/rocket.jpg", "rocket", "A rocket on its launch pad"),
    "astronaut": Sample("skimage", "data/astronaut.png", "astronaut", "A portrait: many things at once"),
    "china": Sample("sklearn", "datasets/images/china.jpg", "temple roof", "A temple roof"),
    "flower": Sample(
        "sklearn", "datasets/images/flower.jpg", "dahlia", "A dahlia, for which there is no class"
    ),
}


def sample_title(name: str) -> str:
    """A sample by what there is to see in it.

    >>> sample_title("chelsea"), sample_title("rocket")
    ('cat (chelsea)', 'rocket')
    """
    subject = SAMPLES[name].subject
    return subject if subject == name else f"{subject} ({name})"


PhotoT = TypeVar("PhotoT", bound="Photo")

_OF_SYSTEMS = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini")
"""What Macs and Windows leave beside photos, in lower case; names that begin with a dot besides."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A file, its name below the data folder (with /), the index of its class (None where it is not known), and the
    SHA-256 of its content if it was taken."""

    path: Path
    name: str
    label: int | None
    sha256: str | None = None

    @property
    def root(self) -> Path:
        """The folder below which the name begins."""
        return self.path.parents[self.name.count("/")].resolve()

    @property
    def packed(self) -> bool:
        """Whether the file holds other photos too."""
        return False

    def is_there(self, name: str) -> bool:
        """Whether there is a photo of another name beside this one."""
        return (self.root / name).is_file()

    def hashed(self: PhotoT) -> PhotoT:
        """The same with the hash of what the file holds now; raises ImageError if it cannot be read."""
        try:
            with regular(self.path) as file:
                return replace(self, sha256=hashlib.file_digest(file, "sha256").hexdigest())
        except UnreadableError as error:
            raise ImageError(f"{self.name}: {error.reason}.") from error

    def framed(self, image_size: Size, part: Part = Part.MIDDLE) -> FramedPhoto:
        """What a network sees of the photo; raises ImageError, which says where it is, if it cannot be read."""
        try:
            return framed(self.content(), image_size, part)
        except ImageError as error:
            raise ImageError(self.named(error)) from error

    def content(self) -> Path | bytes:
        """What is decoded, a file or its bytes."""
        return self.path

    def named(self, error: ImageError) -> str:
        """An error of the photo with the name of its folder."""
        return f"{self.path.parent.name}/{error}"


@dataclass(frozen=True, slots=True)
class LabelledPhoto(Photo):
    """A photo whose class is known."""

    label: int


def sample_path(name: str) -> Path:
    """The file of a sample, found without running the package's code; raises KeyError for an unknown name, and
    ImageError if the file is missing."""
    sample = SAMPLES[name]
    spec = find_spec(sample.package)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        path = Path(folder) / sample.file
        if path.is_file():
            return path
    raise ImageError(f"The sample {name} is missing: install the package that brings {sample.file}.")


def labelled_photos(folder: str | Path, classes: tuple[str, ...]) -> tuple[LabelledPhoto, ...]:
    """The photos below a folder whose folders are named like the classes (case and _ for a space do not
    matter), or as a known data set names the folder of such a class.

    First one photo of each class, then the second of each, and so on, so that any beginning is balanced.
    Hidden files and folders and those of `_OF_SYSTEMS` are passed over; `other_files` names all else.
    Raises ImageError if the folder is missing or empty, or if one of its folders is no class.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder.")
    index = class_labels(classes)
    found: list[list[LabelledPhoto]] = []
    for below in _visible(folder):
        if not below.is_dir():
            continue
        label = index.get(plain(below.name))
        if label is None:
            raise ImageError(
                f"{folder.name}/{below.name}: expected folders named like the classes "
                f"({', '.join(classes[:3])}, ...)."
            )
        files = _photos_in(below)
        found.append([LabelledPhoto(path, f"{below.name}/{path.name}", label) for path in files])
    photos = balanced(found)
    if not photos:
        raise ImageError(
            f"{folder}: expected folders of photos, one for each class; {READABLE} are read, by their suffixes."
        )
    return photos


def flat_photos(folder: Path) -> tuple[Photo, ...]:
    """The photos in a folder without folders, whose classes are not known; none of any other folder."""
    if any(path.is_dir() for path in _visible(folder)):
        return ()
    return tuple(Photo(path, path.name, None) for path in _photos_in(folder))


def class_labels(classes: tuple[str, ...]) -> dict[str, int]:
    """The index of each class by the names that its folder may have, as `plain` gives them."""
    named = {plain(name): number for number, name in enumerate(classes)}
    published = {
        plain(folder_name): named[plain(name)]
        for dataset in DATASETS.values()
        for folder_name, name in zip(dataset.folders, dataset.classes, strict=False)
        if plain(name) in named
    }
    return published | named


def balanced(by_class: Iterable[Sequence[PhotoT]]) -> tuple[PhotoT, ...]:
    """First one photo of each class, then the second of each, and so on."""
    return tuple(photo for row in zip_longest(*by_class) for photo in row if photo is not None)


def other_files(folder: str | Path) -> tuple[str, ...]:
    """What `labelled_photos` or `flat_photos` leaves out though it is not hidden, by name below the folder: files that
    do not have the suffix of a photo, files beside the class folders, and folders inside them (with / at the end)."""
    folder = Path(folder)
    taken = {photo.path for photo in flat_photos(folder)}
    left_out: list[str] = []
    for below in _visible(folder):
        if below.is_dir():
            photos = set(_photos_in(below))
            others = [path for path in _visible(below) if path not in photos]
            left_out += [f"{below.name}/{path.name}{'/' if path.is_dir() else ''}" for path in others]
        elif below not in taken:
            left_out.append(below.name)
    return tuple(left_out)


def readable(photos: tuple[LabelledPhoto, ...]) -> tuple[tuple[LabelledPhoto, ...], tuple[str, ...]]:
    """Those of the photos that can be read, and the names of the others; each is decoded once for it.

    Raises ImageError if none can.
    """
    good: list[LabelledPhoto] = []
    bad: list[str] = []
    for photo in photos:
        try:
            photo.framed((1, 1))
        except ImageError:
            bad.append(photo.name)
        else:
            good.append(photo)
    if not good:
        raise ImageError(f"None of {len(photos)} photos can be read.")
    return tuple(good), tuple(bad)


def hash_of_photos(photos: Iterable[tuple[str, str | None, int | None]]) -> str:
    """The SHA-256 of a line for each photo, in the order of the names: its name, the hash of its content, its label,
    as a JSON list."""
    return hashlib.sha256("\n".join(map(json.dumps, sorted(photos))).encode()).hexdigest()


def framed_in_folder(path: Path, image_size: Size, part: Part = Part.MIDDLE) -> FramedPhoto:
    """`framed` for one photo of many: an ImageError names its folder too."""
    try:
        return framed(path, image_size, part)
    except ImageError as error:
        raise ImageError(f"{path.parent.name}/{error}") from error


def is_visible(name: str) -> bool:
    """Whether a file or folder of this name is neither hidden nor what systems leave beside photos."""
    return not name.startswith(".") and name.lower() not in _OF_SYSTEMS


def may_be_photo(name: str) -> bool:
    """Whether a file of this name has the suffix of a photo."""
    return Path(name).suffix.lower() in SUFFIXES


def plain(name: str) -> str:
    """The name of a class as folders are compared with it."""
    return name.replace("_", " ").lower()


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_visible(path.name))


def _photos_in(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if may_be_photo(path.name) and not path.is_dir()]

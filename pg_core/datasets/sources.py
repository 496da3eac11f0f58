"""Photos as people have them: class folders, a flat folder, a zip of either, or a list of paths and labels.

A zip is read where it is, entry by entry; a list is CSV with a header, or Parquet. Not here: files of local logits,
see `pg_core.datasets.local_logits`.
"""

import csv
import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import StringIO
from pathlib import Path, PurePosixPath

from pg_core.datasets.folders import (
    Photo,
    PhotoT,
    balanced,
    class_labels,
    flat_photos,
    is_visible,
    labelled_photos,
    may_be_photo,
    plain,
)
from pg_core.io.files import UnreadableError, regular
from pg_core.io.parameters import position_of, shown
from pg_core.photos.read import MAX_BYTES, READABLE, ImageError

LISTS = (".csv", ".tsv", ".parquet")
_PATHS = ("path", "photo", "file", "filename", "image")
_LABELS = ("label", "class")
_MOST_LIST_BYTES = 2**29
_MOST_ROWS = 5_000_000
_MOST_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class ZippedPhoto(Photo):
    """A photo in a zip, whose file is `path`, under the name `prefix` + `name`."""

    prefix: str = ""

    @property
    def root(self) -> Path:
        """The zip."""
        return self.path.resolve()

    @property
    def packed(self) -> bool:
        return True

    def is_there(self, name: str) -> bool:
        """Whether there is a photo of another name in the zip."""
        return f"{self.prefix}{name}" in _archive(self.path).NameToInfo

    def hashed(self) -> "ZippedPhoto":
        """The same with the hash of what the zip holds now; raises ImageError if it cannot be read."""
        return replace(self, sha256=hashlib.sha256(self.content()).hexdigest())

    def named(self, error: ImageError) -> str:
        """An error of the photo with its name."""
        return f"{self.name}: {str(error).removeprefix(f'{self.name}: ')}"

    def content(self) -> bytes:
        """The bytes of the photo, unpacked; raises ImageError if they cannot be."""
        archive = _archive(self.path)
        try:
            entry = archive.getinfo(f"{self.prefix}{self.name}")
            if entry.flag_bits & 1:
                raise ImageError(f"{self.name}: It is encrypted: unpack the zip first.")
            with archive.open(entry) as file:
                return file.read(MAX_BYTES + 1)  # at its end the archive compares the checksum
        except ImageError:
            raise
        except Exception as error:  # on hostile bytes zipfile fails in any way it likes
            raise ImageError(f"{self.name}: It cannot be unpacked: the zip is damaged there.") from error


@dataclass(frozen=True, slots=True)
class HeldPhoto(Photo):
    """A photo whose bytes are in memory; `path` says where they came from, and is never opened."""

    data: bytes = field(default=b"", repr=False)

    @property
    def root(self) -> Path:
        """Where it came from."""
        return self.path

    def is_there(self, name: str) -> bool:
        """There is nothing beside it."""
        return False

    def hashed(self) -> "HeldPhoto":
        """The same with the hash of its bytes."""
        return replace(self, sha256=hashlib.sha256(self.data).hexdigest())

    def named(self, error: ImageError) -> str:
        """An error of the photo with its name."""
        return f"{self.name}: {error}"

    def content(self) -> bytes:
        """Its bytes."""
        return self.data


@dataclass(frozen=True, slots=True)
class ListedPhoto(Photo):
    """A photo in the line of a list (in a Parquet file: the row), counted from 1."""

    listing: Path = Path()
    line: int = 0

    @property
    def root(self) -> Path:
        """The list."""
        return self.listing.resolve()

    def is_there(self, name: str) -> bool:
        """Whether there is a photo of another name, from where the list is."""
        return (self.listing.parent / name).is_file()

    def hashed(self) -> "ListedPhoto":
        """The same with the hash of what the file holds now; raises ImageError, which names the line, if it cannot be
        read."""
        try:
            with regular(self.path) as file:
                return replace(self, sha256=hashlib.file_digest(file, "sha256").hexdigest())
        except UnreadableError as error:
            raise ImageError(f"{self._place}: {self.name}: {error.reason}.") from error

    def named(self, error: ImageError) -> str:
        """An error of the photo with its line."""
        return f"{self._place}: {error}"

    @property
    def _place(self) -> str:
        return f"{self.listing.name}, {_line(self.listing)} {self.line}"


def photos_of(source: str | Path, classes: tuple[str, ...]) -> tuple[Photo, ...]:
    """The photos of a folder, a zip or a list, by what it is; those of class folders as by `labelled_photos`, in a zip
    too. Photos of a flat folder, or of a list without a column of labels, have none.

    Raises ImageError for anything else, a folder or an entry that is no class, a line without a photo or with a label
    that is no class, the same photo twice, and where there is no photo.
    """
    source = Path(source)
    if source.is_dir():
        return flat_photos(source) or labelled_photos(source, classes)
    if source.suffix.lower() == ".zip":
        return _zipped(source, classes)
    if source.suffix.lower() in LISTS:
        return _listed(source, classes)
    kind = "no such file or folder" if not source.exists() else "a file of another kind"
    raise ImageError(
        f"{source}: expected a folder of photos, a .zip of one, or a list of paths ({', '.join(LISTS)}), got {kind}."
    )


def photos_among(
    names: Iterable[PurePosixPath],
    classes: tuple[str, ...],
    source: str,
    photo: Callable[[str, int | None, str], PhotoT],
) -> tuple[PhotoT, ...]:
    """The photos among the names of files, as those of a folder: `photo` makes one of its name, its label, and the
    folders that all names begin with, / at the end. Hidden files, and those that are no photo by their suffix, are
    passed over; `source` is what has them, for errors. Raises ImageError as `photos_of`."""
    found = sorted(name for name in names if all(map(is_visible, name.parts)) and may_be_photo(name.name))
    if not found:
        raise ImageError(f"{source}: expected photos in it; {READABLE} are read, by their suffixes.")
    labels = class_labels(classes)
    folders = {name.parent for name in found}
    if len(folders) == 1 and plain(found[0].parent.name) not in labels:
        (folder,) = folders
        prefix = "" if folder == PurePosixPath() else f"{folder}/"
        return tuple(photo(name.name, None, prefix) for name in found)
    prefix = _common({folder.parent for folder in folders})
    by_class: dict[PurePosixPath, list[PhotoT]] = {}
    for name in found:
        label = labels.get(plain(name.parent.name))
        if label is None:
            raise ImageError(
                f"{source}: {shown(str(name.parent))}: expected folders named like the classes "
                f"({', '.join(classes[:3])}, ...)."
            )
        by_class.setdefault(name.parent, []).append(photo(str(name).removeprefix(prefix), label, prefix))
    return balanced(by_class.values())


@lru_cache(maxsize=2)
def _archive(path: Path) -> zipfile.ZipFile:
    """The zip, which stays open: to read its directory anew for each photo would take longer than the photos."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise ImageError(f"{path.name}: {error.strerror or 'it cannot be read'}.") from error
    except Exception as error:  # on hostile bytes zipfile fails in any way it likes
        raise ImageError(f"{path.name}: not a zip that can be read.") from error
    names = [entry.filename for entry in archive.infolist()]
    if len(names) > _MOST_ENTRIES or len(set(names)) < len(names):
        raise ImageError(f"{path.name}: expected at most {_MOST_ENTRIES:,} files, each once.")
    return archive


def _zipped(path: Path, classes: tuple[str, ...]) -> tuple[Photo, ...]:
    try:
        with regular(path):
            pass
    except UnreadableError as error:
        raise ImageError(f"{error}.") from error
    _archive.cache_clear()  # it may have been replaced
    names = [PurePosixPath(name) for name in _archive(path).NameToInfo if not name.endswith("/")]
    return photos_among(
        names,
        classes,
        path.name,
        lambda name, label, prefix: ZippedPhoto(path, name, label, prefix=prefix),
    )


def _common(folders: Iterable[PurePosixPath]) -> str:
    """The folders that all of these begin with, with / at the end."""
    parts = [folder.parts for folder in folders]
    shared = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return "".join(f"{part}/" for part in shared)


def _listed(path: Path, classes: tuple[str, ...]) -> tuple[Photo, ...]:
    labels, lines = class_labels(classes), dict[str, int]()
    photos: list[ListedPhoto] = []
    for line, name, said in _rows(path):
        place = f"{path.name}, {_line(path)} {line}"
        if not name or "\0" in name:
            raise ImageError(f"{place}: expected the path of a photo, got {shown(name)}.")
        if lines.setdefault(name, line) != line:
            raise ImageError(f"{place}: {shown(name)} is in {_line(path)} {lines[name]} already.")
        label = None
        if said:
            index = position_of(said)
            label = labels.get(plain(said), index)
            if label is None or label >= len(classes):
                raise ImageError(
                    f"{place}: expected a class ({', '.join(classes[:3])}, ...) or its index, got {shown(said)}."
                )
        if photos and (label is None) != (photos[0].label is None):
            raise ImageError(f"{place}: expected a label for every photo, or for none.")
        photos.append(ListedPhoto(path.parent / name, name, label, listing=path, line=line))
    if not photos:
        raise ImageError(f"{path.name}: expected photos in it, got none.")
    return tuple(photos)


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """The number, the path and the label (empty where it is not known) of each line or row."""
    try:
        with regular(path) as file:
            content = file.read(_MOST_LIST_BYTES + 1)
    except UnreadableError as error:
        raise ImageError(f"{error}.") from error
    if len(content) > _MOST_LIST_BYTES:
        raise ImageError(f"{path.name}: expected a list of at most {_MOST_LIST_BYTES // 2**20} MB.")
    if path.suffix.lower() == ".parquet":
        yield from _parquet_rows(path, content)
        return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ImageError(f"{path.name}, line {line}: expected text in UTF-8.") from error
    first = text.split("\n", 1)[0]
    reader = csv.reader(StringIO(text, newline=""), delimiter=max("\t;,", key=first.count), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        path_at, label_at = _places(path, header)
        for row in reader:
            if row:
                cells = [
                    row[at].strip() if at is not None and at < len(row) else "" for at in (path_at, label_at)
                ]
                yield reader.line_num, cells[0], cells[1]
    except csv.Error as error:
        raise ImageError(f"{path.name}, line {reader.line_num}: {error}.") from error


def _parquet_rows(path: Path, content: bytes) -> Iterator[tuple[int, str, str]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImageError("A Parquet list needs a package: python -m pip install pyarrow.") from error
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        footer = file.metadata
        size = sum(footer.row_group(index).total_byte_size for index in range(footer.num_row_groups))
        names, schema = file.schema_arrow.names, file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise ImageError(f"{path.name}: not a Parquet file that can be read.") from error
    if footer.num_rows > _MOST_ROWS or size > _MOST_LIST_BYTES:
        raise ImageError(f"{path.name}: expected at most {_MOST_ROWS:,} rows.")
    at = [None if own is None else names[own] for own in _places(path, [name.lower() for name in names])]
    for own in filter(None, at):
        kind = schema.field(own).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
            raise ImageError(f"{path.name}: expected text or whole numbers in the column {shown(own)}.")
    try:
        columns = file.read(columns=[own for own in at if own is not None])
        paths = columns[at[0]].to_pylist()
        labels = [None] * len(paths) if at[1] is None else columns[at[1]].to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{path.name}: not a Parquet file that can be read.") from error
    for row, cells in enumerate(zip(paths, labels, strict=True), 1):
        name, label = ("" if cell is None else str(cell) for cell in cells)
        yield row, name, label


def _places(path: Path, header: Sequence[str]) -> tuple[int, int | None]:
    """Where paths and labels stand."""
    paths = [header.index(name) for name in _PATHS if name in header]
    labels = [header.index(name) for name in _LABELS if name in header]
    if not paths:
        raise ImageError(
            f"{path.name}: expected a header with a column path (and label), got {shown(', '.join(header))}."
        )
    return paths[0], labels[0] if labels else None


def _line(path: Path) -> str:
    return "row" if path.suffix.lower() == ".parquet" else "line"

"""The certificates of a folder of photos in one zip, with an index of all photos, and how each of them is checked.

index.json has, for each photo in the order of their names: `photo`, its path below the folder; `sha256` of its file;
`label`, the name of its class; `verdict`; and `proof`, the name of its certificate file in the zip, null where nothing
is certified. Not here: what a certificate file says, see `pg_core.proofs.statement`.
"""

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any

import rfc8785

from pg_core.analysis.photo import Analysis
from pg_core.datasets.folders import LabelledPhoto
from pg_core.defences.base import Verdict
from pg_core.io.files import UnreadableError, regular, writing
from pg_core.io.json import from_json
from pg_core.io.parameters import shown
from pg_core.io.progress import Pace, Report
from pg_core.photos.read import MAX_BYTES, ImageError
from pg_core.proofs import checker
from pg_core.proofs.arithmetic import check_provable
from pg_core.proofs.statement import Subject, prove, serialised

UNREADABLE = "cannot be read"
"""In the place of the verdict of a photo that was passed over."""
_TYPE = "urn:patchguard-explorer:certificates:v1"
_INDEX = "index.json"
_MAX_MEMBERS = 200_000
_MAX_DIRECTORY = 2**25
"""Bytes of a zip's directory, which is read at once, and of the index."""
_MAX_TOTAL = 2**36
"""Bytes of all files together, unpacked: parts of a zip may stand for many files at once."""
_FIELDS: dict[str, type | UnionType] = {
    "photo": str,
    "sha256": str | None,
    "label": str,
    "verdict": str,
    "proof": str | None,
}
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Of a zip: equal certificates make equal files."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A photo of the index, and what came of its certificate file: `reason` is None where it is proved or there is
    none, else it says in a sentence why it is refused."""

    photo: str
    verdict: str
    proof: str | None
    reason: str | None = None


def write_proofs(
    path: Path,
    photos: Sequence[LabelledPhoto],
    classes: Sequence[str],
    analyse: Callable[[LabelledPhoto, bytes], Analysis],
    weights_sha256: str,
    device: str | None = None,
    report: Report | None = None,
    skip_unreadable: bool = False,
) -> Counter[str]:
    """Write the certificate of each certified photo to a zip, and count the verdicts.

    analyse gets a photo and the bytes of its file. With skip_unreadable, a photo that cannot be read has `UNREADABLE`
    for its verdict. The zip takes its name when all is written; an error or an interrupt leaves nothing behind. Raises
    ValueError for a defence of which no proofs are written, ImageError for a photo that cannot be read, FileError for
    a file that cannot be written.
    """
    counts, index, pace = Counter[str](), list[dict[str, Any]](), Pace(len(photos))
    with writing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, photo in enumerate(sorted(photos, key=lambda photo: photo.name), 1):
            verdict, sha256, name = UNREADABLE, None, None
            try:
                data = _content(photo)
                analysis = analyse(photo, data)
            except ImageError:
                if not skip_unreadable:
                    raise
            else:
                check_provable(analysis)
                verdict, sha256 = str(analysis.verdict), hashlib.sha256(data).hexdigest()
                if analysis.verdict is Verdict.CERTIFIED:
                    # Exact arithmetic has the last word.
                    statement: Any = prove(analysis, Subject(photo.name, sha256, weights_sha256, device))
                    verdict = statement["predicate"]["claim"]["verdict"]
                if verdict == Verdict.CERTIFIED:
                    name = f"{number:06}.proof.json"
                    _add(archive, name, serialised(statement))
            label = classes[photo.label]
            index.append(
                {"photo": photo.name, "sha256": sha256, "label": label, "verdict": verdict, "proof": name}
            )
            counts[verdict] += 1
            if report is not None:
                report(pace.progress(number))
        _add(archive, _INDEX, rfc8785.dumps({"_type": _TYPE, "photos": index}))
    return counts


def check_proofs(path: Path, report: Report | None = None) -> Iterator[Listed]:
    """Every photo of a zip's index, after its certificate file is checked by exact arithmetic.

    A file must be about the photo of the index, by path and SHA-256, and certified. Raises ValueError, one sentence
    that names the zip, for one that cannot be read, that is larger than those that `write_proofs` makes, or whose
    index does not name each of its files once.
    """
    with _reading(path) as archive:
        photos = _index(archive)
        pace = Pace(len(photos))
        for done, entry in enumerate(photos, 1):
            reason = None if entry["proof"] is None else _refusal(archive, entry)
            yield Listed(entry["photo"], entry["verdict"], entry["proof"], reason)
            if report is not None:
                report(pace.progress(done))


def is_archive(path: Path) -> bool:
    """Whether a file begins as a zip does, and no certificate file. Raises UnreadableError."""
    with regular(path) as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _content(photo: LabelledPhoto) -> bytes:
    try:
        with regular(photo.path) as file:
            return file.read(MAX_BYTES + 1)
    except UnreadableError as error:
        raise ImageError(f"{photo.name}: {error.reason}.") from error


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EARLIEST), data, zipfile.ZIP_DEFLATED)


class _Bounded(io.BufferedReader):
    """A file of which no more is read at once than a zip's directory may have: its end says how long that is."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = _MAX_DIRECTORY + 1
        content = super().read(most if size is None or size < 0 else min(size, most))
        if len(content) == most:
            raise ValueError(f"expected a directory of at most {_MAX_DIRECTORY >> 20} MB")
        return content


@contextmanager
def _reading(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip, with every error as a sentence that names the file."""
    try:
        with regular(path) as file, _Bounded(file.raw) as bounded, zipfile.ZipFile(bounded) as archive:
            yield archive
    except UnreadableError as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise ValueError(f"{path.name}: expected a zip of certificate files, as prove writes it") from error


def _index(archive: zipfile.ZipFile) -> list[dict[str, Any]]:
    """The photos that the index names, where its files are those of the zip."""
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise ValueError(f"expected at most {_MAX_MEMBERS} files, got {len(members)}")
    if sum(member.file_size for member in members) > _MAX_TOTAL:
        raise ValueError(f"expected at most {_MAX_TOTAL >> 30} GB unpacked")
    names = Counter(member.filename for member in members)
    if names[_INDEX] != 1:
        raise ValueError(f"expected one {_INDEX}, got {names[_INDEX]}")
    content = from_json(_unpacked(archive, _INDEX, _MAX_DIRECTORY))
    photos = content.get("photos") if isinstance(content, dict) else None
    if not isinstance(photos, list) or content.get("_type") != _TYPE:
        raise ValueError(f"{_INDEX}: expected {_TYPE} and a list of photos")
    for number, entry in enumerate(photos):
        if (
            not isinstance(entry, dict)
            or entry.keys() != _FIELDS.keys()
            or not all(isinstance(entry[name], kind) for name, kind in _FIELDS.items())
            or (entry["proof"] is not None) != (entry["verdict"] == Verdict.CERTIFIED)
        ):
            raise ValueError(
                f"{_INDEX}: photos[{number}]: expected {', '.join(_FIELDS)}, a proof where it is certified, "
                f"got {shown(entry)}"
            )
    named = Counter([_INDEX, *(entry["proof"] for entry in photos if entry["proof"] is not None)])
    for name in [*named, *names]:
        if named[name] != 1 or names[name] != 1:
            raise ValueError(
                f"expected each file once, in the zip and in its index, got {shown(name)} {names[name]} and "
                f"{named[name]} times"
            )
    twice, count = Counter(entry["photo"] for entry in photos).most_common(1)[0] if photos else ("", 0)
    if count > 1:
        raise ValueError(f"{_INDEX}: expected each photo once, got {shown(twice)} {count} times")
    return photos


def _unpacked(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """The content of a file of the zip."""
    size = archive.getinfo(name).file_size
    if size > most:
        raise ValueError(f"{shown(name)}: expected at most {most >> 20} MB, got {size} bytes")
    try:
        with archive.open(name) as file:
            return b"".join(iter(lambda: file.read(2**20), b""))
    except Exception as error:  # on damaged bytes zipfile fails in any way: zlib.error, NotImplementedError
        raise ValueError(f"{shown(name)}: expected a file that can be unpacked") from error


def _refusal(archive: zipfile.ZipFile, entry: dict[str, Any]) -> str | None:
    """Why a certificate file is refused, None if it is proved."""
    try:
        proof = checker.Proof(_unpacked(archive, entry["proof"], checker.MAX_BYTES))
        proof.require_certified(None)
        checker.agree("subject[0].name", entry["photo"], proof.statement["subject"][0]["name"])
        checker.agree("subject[0].digest.sha256", entry["sha256"], proof.photo)
    except (ValueError, checker.RefusedError, checker.UnreadableError) as error:
        return str(error)
    return None

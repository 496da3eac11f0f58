"""A photo with the content of its file, for a machine that does not have the file."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from pg_core.datasets.folders import Photo
from pg_core.geometry import Size
from pg_core.io.files import UnreadableError, regular
from pg_core.io.printable import printable
from pg_core.networks.base import Part
from pg_core.photos.read import MAX_BYTES, FramedPhoto, ImageError, framed


@dataclass(frozen=True, slots=True)
class CarriedPhoto(Photo):
    """A photo, the bytes of its file, which are those that were hashed, and the photo `of` which they are."""

    of: Photo | None = None
    data: bytes = field(default=b"", repr=False)

    @property
    def root(self) -> Path:
        assert self.of is not None
        return self.of.root

    def hashed(self) -> "CarriedPhoto":
        """The same, which has its hash."""
        return self

    def content(self) -> bytes:
        return self.data

    def framed(self, image_size: Size, part: Part = Part.MIDDLE) -> FramedPhoto:
        """As the photo's own; raises the same ImageError."""
        assert self.of is not None
        try:
            return framed(self.data, image_size, part)
        except ImageError as error:
            # A file's error begins with its name, that of bytes does not.
            whole = error if self.of.packed else ImageError(f"{printable(self.path.name)}: {error}")
            raise ImageError(self.of.named(whole)) from error


def carried(photo: Photo) -> CarriedPhoto:
    """A photo with its content and its hash, from one reading; raises ImageError as `Photo.hashed` does."""
    content = photo.content()
    if isinstance(content, Path):
        try:
            with regular(content) as file:
                content = file.read(MAX_BYTES + 1)  # one byte too many is refused where it is decoded
        except UnreadableError:
            photo.hashed()  # which says it in the photo's own words
            raise
    digest = hashlib.sha256(content).hexdigest()
    return CarriedPhoto(photo.path, photo.name, photo.label, digest, photo, content)

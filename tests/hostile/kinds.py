"""Which doors each kind of hostile case goes through, and how much memory it may take there."""

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image

from pg_core import sample_path
from pg_core.datasets.local_logits import Layout, Stated, read_local_logits, with_values
from pg_core.geometry import ReceptiveField
from pg_core.networks import load_model
from pg_core.networks.loading import load_own, sha256_of
from pg_core.networks.network import CheckpointError, read_state
from pg_core.networks.own import Format, OwnNetwork, card_in, format_of
from pg_core.networks.published import recognise
from pg_core.photos.inference import extract
from pg_core.photos.read import ImageError, framed
from tests.hostile.archives import archive_cases
from tests.hostile.cage import Kind, command
from tests.hostile.cards import card_cases
from tests.hostile.case import Case, LinkCase
from tests.hostile.checkpoints import checkpoint_cases
from tests.hostile.links import link_cases
from tests.hostile.photos import image_cases, photo_cases

_SMALL = "cifar10"
"""A network that takes a photo in a few milliseconds."""


def _run_once() -> None:
    """What is made at the first use is there before the cases."""
    torch.set_num_threads(1)
    command(_certify(Path(sample_path("chelsea")), Case("", lambda folder: folder)))


def _read_photo(path: Path | Image.Image) -> bool:
    if isinstance(path, Path):
        framed(path, (32, 32))
    else:
        extract(path, load_model(_SMALL, "cpu"))
    return True


def _certify(path: Path, case: Case) -> list[str]:
    return ["certify", "--model", _SMALL, "--patch-size", "5", "--", str(path)]


def _read_archive(path: Path) -> bool:
    # Files with a description of their own say the layout themselves.
    for stated in (Stated(), Stated(Layout.CLASSES_FIRST, False)):
        try:
            maps = read_local_logits(path, stated)
            return all(values.shape == own.shape for own, values in with_values(maps.values()))
        except ValueError as error:
            refusal = error
            if "say in which layout" not in str(error):
                break
    raise refusal


def _certify_maps(path: Path, case: Case) -> list[str]:
    return ["certify", "--window-size", "1x1", *case.options, "--local-logits", str(path)]


def _read_checkpoint(path: Path) -> bool:
    if format_of(path.name) in (Format.EXPORTED, Format.SCRIPTED):
        field = ReceptiveField((11, 11), (4, 4))
        load_own(OwnNetwork("Mine", path.name, sha256_of(path), (40, 48), field, ("a", "b")), path)
        return True
    assert "\n" not in recognise(path).problem
    read_state(path)
    return True


def _certify_with_weights(path: Path, case: Case) -> list[str]:
    return [
        "certify",
        str(sample_path("chelsea")),
        "--model",
        "bagnet9",
        "--patch-size",
        "5",
        "--weights",
        str(path),
    ]


def _read_card(path: Path) -> bool:
    try:
        card_in(path)
    except OSError as error:  # which whoever asks for the file puts into words
        raise ValueError(error.strerror) from error
    return True


def _certify_with_card(path: Path, case: Case) -> list[str]:
    return ["certify", str(sample_path("chelsea")), "--network", str(path)]


class _Address(dict[str, str]):
    def to_dict(self) -> dict[str, str]:
        return dict(self)


class _Session:
    """What links are read from and into, in place of Streamlit."""

    def __init__(self, query: dict[str, str]) -> None:
        self.query_params = _Address(query)
        self.session_state: dict[str, Any] = {}


def follow(query: dict[str, str]) -> tuple[list[str], list[str]]:
    """What the page names of a link as meaning nothing, and as no classes; each once."""
    from app import links

    session = _Session(query)
    with ExitStack() as stack:
        for module in (
            "links",
            *(
                f"state.{name}"
                for name in ("board", "copies", "networks", "pages", "patch", "photos", "windows")
            ),
        ):
            stack.enter_context(patch(f"app.{module}.st", session))
        links.follow()
        found = links.refused(), links.refused_classes(())
        assert not links.refused() + links.refused_classes(())
    return found


def _follow_link(case: LinkCase) -> bool:
    """Whether all parts were taken; those that mean nothing have to be named, and cut."""
    wrong, classes = follow(case.query)
    named = {part.partition("=")[0] for part in wrong}
    assert named == case.refused, (
        f"expected {sorted(case.refused)} to be named as refused, got {sorted(named)}"
    )
    assert all(len(part) <= 80 for part in (*wrong, *classes))
    return not wrong


def _open_the_app() -> None:
    _run_once()
    logging.getLogger("streamlit").setLevel(logging.CRITICAL)  # there is no session
    _follow_link(LinkCase("a sample", {"contents": "sticker:coffee:1,2,30,40", "window": "1,1"}))


KINDS = {
    "photos": Kind(
        lambda: [*photo_cases(), *image_cases()], _run_once, _read_photo, (ImageError,), _certify, 250
    ),
    "archives": Kind(archive_cases, _run_once, _read_archive, (ValueError,), _certify_maps, 600),
    "checkpoints": Kind(
        checkpoint_cases, _run_once, _read_checkpoint, (CheckpointError,), _certify_with_weights, 600
    ),
    "cards": Kind(card_cases, _run_once, _read_card, (ValueError,), _certify_with_card, 250),
    "links": Kind(link_cases, _open_the_app, _follow_link, (), None, 100),
}

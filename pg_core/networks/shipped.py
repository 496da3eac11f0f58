"""Networks trained here: weights in assets/weights, each beside a card that describes them.

The card's SHA-256 is checked before a byte of the weights is used. Torch is imported only then.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pg_core.evidence.head import MaskingHead
from pg_core.io import files
from pg_core.io.assets import asset
from pg_core.io.json import as_json, from_json
from pg_core.io.parameters import shown
from pg_core.networks.bodies import architectures
from pg_core.networks.bodies.architectures import Architecture

if TYPE_CHECKING:
    from pg_core.networks.network import State

WEIGHTS = asset("weights")
_NAME = re.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Card:
    """What loading needs of the card of shipped weights. `path` is the card's file, which also tells how they were
    trained; what was measured with them is in assets/results. `head` is the classifier of what masks leave, if one was
    trained for these weights."""

    path: Path
    network: Architecture
    sha256: str
    head: MaskingHead | None = None

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return self.path.with_suffix(".safetensors")


def read_card(name: str, folder: Path = WEIGHTS) -> Card:
    """The card of a shipped network; raises CheckpointError if it is missing or no such card."""
    from pg_core.networks.network import CheckpointError

    path = folder / f"{name}.json"
    try:
        content = from_json(path.read_bytes())
        head = content.get("head")
        return Card(
            path,
            architectures.from_json(content["network"]),
            str(content["sha256"]),
            None if head is None else MaskingHead.from_json(head),
        )
    except FileNotFoundError:
        raise CheckpointError(f"{path.name}: missing in {folder}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path.name}: not the card of a network") from error


def checked_name(name: str) -> str:
    """The name of a network, which becomes that of its files; raises ValueError for one that would lead elsewhere."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"expected a name of up to 100 letters, digits, '.', '_' and '-', not with '.' first, got {shown(name)}"
        )
    return name


def files_of(name: str, folder: Path) -> tuple[Path, Path]:
    """The files of a network's weights and of its card; raises ValueError for a name that would lead elsewhere."""
    return folder / f"{checked_name(name)}.safetensors", folder / f"{name}.json"


def write(
    name: str,
    state: "State",
    network: Architecture,
    story: Mapping[str, object],
    folder: Path = WEIGHTS,
) -> Card:
    """Write tensors in float16, and their card; `story` are further entries of the card, such as data and command.

    Both are on the disk before either takes its name, first the weights: a run that is killed in between leaves
    weights that `read_weights` refuses. Raises ValueError for a name with a folder in it, FileError if a file cannot
    be written.
    """
    from safetensors.torch import save

    content = save({key: tensor.half().contiguous() for key, tensor in state.items()})
    digest = hashlib.sha256(content).hexdigest()
    weights, path = files_of(name, folder)
    card = Card(path, network, digest)
    described = {"name": name, "network": architectures.to_json(network), "sha256": digest, **story}
    text = as_json(described, indent=2) + "\n"
    files.prepare_folder(folder)
    files.write({weights: content, path: text.encode()})
    return card


def read_weights(card: Card) -> "State":
    """The tensors in float32; raises CheckpointError unless the file is the very one of the card."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from pg_core.networks.network import CheckpointError

    try:
        files.check_regular(card.weights)
        content = card.weights.read_bytes()
    except OSError:
        raise CheckpointError(f"{card.weights.name}: missing in {card.weights.parent}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != card.sha256:
        raise CheckpointError(
            f"{card.weights.name}: expected SHA-256 {card.sha256} as its card says, got {found}: write both again, "
            "with the command that was to write them"
        )
    try:
        return {name: tensor.float() for name, tensor in load(content).items()}
    except SafetensorError as error:
        raise CheckpointError(f"{card.weights.name}: not a file of tensors") from error

"""Networks trained here: weights in assets/weights, each beside a card that says what they are.

The card's SHA-256 is checked before a byte of the weights is used. It leaves out torch until then.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pg_core.models.architectures import Architecture, from_json, to_json
from pg_core.schema import as_json

if TYPE_CHECKING:
    from pg_core.models.network import State

WEIGHTS = Path(__file__).parents[2] / "assets" / "weights"


@dataclass(frozen=True, slots=True)
class Card:
    """What shipped weights are: all that loading needs. `path` is the card's file, with the whole story; what was
    measured with them is in assets/results."""

    path: Path
    network: Architecture
    sha256: str

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return self.path.with_suffix(".safetensors")


def read_card(name: str, folder: Path = WEIGHTS) -> Card:
    """The card of a shipped network; raises CheckpointError if it is missing or says something else."""
    from pg_core.models.network import CheckpointError

    path = folder / f"{name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Card(path, from_json(content["network"]), str(content["sha256"]))
    except FileNotFoundError:
        raise CheckpointError(f"{path.name}: missing in {folder}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path.name}: not the card of a network") from error


def write(
    name: str,
    state: "State",
    network: Architecture,
    story: Mapping[str, object],
    folder: Path = WEIGHTS,
) -> Card:
    """Write tensors in float16, and their card; `story` is what else the card tells, such as data and
    command."""
    from safetensors.torch import save

    content = save({key: tensor.half().contiguous() for key, tensor in state.items()})
    digest = hashlib.sha256(content).hexdigest()
    card = Card(folder / f"{name}.json", network, digest)
    folder.mkdir(parents=True, exist_ok=True)
    card.weights.write_bytes(content)
    text = as_json({"name": name, "network": to_json(network), "sha256": digest, **story}, indent=2)
    card.path.write_text(text + "\n", encoding="utf-8")
    return card


def read_weights(card: Card) -> "State":
    """The tensors in float32; raises CheckpointError unless the file is the very one of the card."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from pg_core.models.network import CheckpointError

    try:
        content = card.weights.read_bytes()
    except OSError:
        raise CheckpointError(f"{card.weights.name}: missing in {card.weights.parent}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != card.sha256:
        raise CheckpointError(f"{card.weights.name}: expected SHA-256 {card.sha256}, got {found}")
    try:
        return {name: tensor.float() for name, tensor in load(content).items()}
    except SafetensorError as error:
        raise CheckpointError(f"{card.weights.name}: not a file of tensors") from error

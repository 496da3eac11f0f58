"""Where in a checkpoint the weights are, and what its writer put in front of their names.

Read are bare state dicts and those of PatchGuard, timm, torchvision and Lightning, of data-parallel training, of
torch.compile and of averaged weights (EMA), which are taken before the raw ones, as timm does. What stands beside the
weights is left out. Not here: the file, see `pg_core.networks.network`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import Tensor

from pg_core.io.parameters import shown
from pg_core.io.printable import printable

_AVERAGED = ("state_dict_ema", "model_ema")
_WHERE = (*_AVERAGED, "model_state_dict", "state_dict", "net", "model")
"""Keys of a state dict in a checkpoint, the first of which is read: averaged weights as timm, then the others."""

_LIGHTNING = "pytorch-lightning_version"
_WRAPPERS = ("module", "model", "net", "network", "backbone", "encoder")
"""What the names of all weights begin with where a network is a part of what was saved."""

_COMPILED = "_orig_mod."
_SHOWN = 5
_LONGEST = 60


class LeftOut:
    """Stands for what a checkpoint keeps beside its weights: it takes anything, does nothing and keeps nothing."""

    def __new__(cls, *arguments: object) -> "LeftOut":
        return super().__new__(cls)

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


LEFT_OUT = tuple(
    (LeftOut, name)
    for name in (
        "argparse.Namespace",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        *(
            f"numpy.dtypes.{kind}DType"
            for kind in ("Float16", "Float32", "Float64", "Int32", "Int64", "Bool")
        ),
        *(f"pathlib{part}.{kind}Path" for part in ("", "._local") for kind in ("Posix", "Windows")),
    )
)
"""Types that training scripts keep beside the weights, arguments, paths and numbers: nothing is made of them."""


def unpacked(content: object) -> tuple[dict[str, Tensor], str]:
    """The tensors of a checkpoint under plain names, and in words where in it they were and how they were named.

    Raises ValueError, one sentence, where there are none or where two tensors would have one name.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"expected a state dict, names with tensors, got {_kind(content)}")
    there = [key for key in _WHERE if isinstance(content.get(key), Mapping)]
    weights = content[there[0]] if there else content
    convention = f"state dict under {there[0]!r}" if there else "bare state dict"
    if len(there) > 1:
        convention += f", not under {listed([repr(key) for key in there[1:]])}"
    state = {name: value for name, value in weights.items() if isinstance(value, Tensor)}
    others = [str(name) for name in weights if name not in state]
    if not state or not all(isinstance(name, str) for name in state):
        keys = [f"{name} ({_kind(value)})" for name, value in content.items()]
        raise ValueError(
            f"expected a state dict, names with tensors, bare or under {', '.join(_WHERE)}, "
            f"got {listed(keys) or 'nothing'}"
        )
    plain, words = _plain(state, _LIGHTNING in content)
    if others:
        words.append(
            f"without {listed(others)}, which {'is no tensor' if len(others) == 1 else 'are no tensors'}"
        )
    return plain, ", ".join([convention, *words])


def _kind(value: object) -> str:
    return "an object" if isinstance(value, LeftOut) else type(value).__name__


def _plain(state: Mapping[str, Tensor], lightning: bool) -> tuple[dict[str, Tensor], list[str]]:
    """Without what wrappers put in front of the names; and what that was, in words."""
    # By the plain name: several tensors may come to have the same.
    names = [(name.replace(_COMPILED, ""), name) for name in state]
    found = [_COMPILED] if any(_COMPILED in name for name in state) else []
    # What averages weights counts beside them.
    left_out = [name for plain, name in names if plain == "n_averaged" and len(names) > 1]
    names = [(plain, name) for plain, name in names if name not in left_out]
    while (wrapper := _wrapper([plain for plain, _ in names], lightning and not found)) is not None:
        left_out += [name for plain, name in names if not plain.startswith(wrapper)]
        names = [(plain.removeprefix(wrapper), name) for plain, name in names if plain.startswith(wrapper)]
        found.append(wrapper)
    # Data-parallel training may wrap a part of a network only.
    if any(plain.startswith("module.") for plain, _ in names):
        names = [(plain.removeprefix("module."), name) for plain, name in names]
        found.append("module.")
    plain, count = Counter(plain for plain, _ in names).most_common(1)[0]
    if count > 1:
        twice = [name for other, name in names if other == plain]
        raise ValueError(f"expected each tensor once, got {' and '.join(map(shown, twice[:2]))}")
    words = [f"names with {' and '.join(map(repr, found))}"] if found else []
    return {plain: state[name] for plain, name in names}, words + (
        [f"without {listed(left_out)}"] if left_out else []
    )


def _wrapper(names: Sequence[str], partly: bool) -> str | None:
    """What all names begin with, or, of a Lightning module, those of the network: beside it stand losses and such."""
    first = {name.partition(".")[0] for name in names if "." in name}
    found = [f"{wrapper}." for wrapper in _WRAPPERS if wrapper in first]
    if len(found) != 1 or not (partly or all(name.startswith(found[0]) for name in names)):
        return None
    return found[0]


def listed(names: Sequence[str]) -> str:
    """The first few of them, as `short` shows each."""
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*map(short, names[:_SHOWN]), *more])


def short(name: str) -> str:
    """The beginning of a name out of a file, as it can be printed."""
    return printable(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}...")

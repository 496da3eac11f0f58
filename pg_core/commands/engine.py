"""What commands over many photos share: the options that choose where the work is done."""

import argparse
from contextlib import AbstractContextManager, nullcontext

from pg_core.engines.base import Engine
from pg_core.engines.local import LocalEngine

_NAMES = ("local", "ray")


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options that `engine` reads."""
    command.add_argument(
        "--engine",
        choices=_NAMES,
        metavar="NAME",
        help="local (the default), or ray: over the machines of a Ray cluster, which must be trusted, with the same "
        "results",
    )
    command.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of a Ray cluster that runs, or auto for the one that `ray start` began here; default: the cores of this "
        "machine",
    )


def check(command: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a usage error where options exclude each other."""
    if options.address is not None and options.engine != "ray":
        command.error("--address is that of a Ray cluster: it goes with --engine ray")
    if options.engine == "ray" and getattr(options, "local_logits", None) is not None:
        command.error("--local-logits are kept by --engine local alone")


def engine(options: argparse.Namespace) -> AbstractContextManager[Engine]:
    """The engine that the options ask for, ready in the block; raises ValueError for a cluster that is not there."""
    if options.engine != "ray":
        return nullcontext(LocalEngine())
    from pg_core.engines.ray import ray_cluster

    return ray_cluster(options.address, options.device)

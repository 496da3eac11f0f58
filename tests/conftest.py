"""Settings of all tests, and the command line as they call it: properties are drawn the same way in every run of CI,
and torch keeps to one thread.

Where other work runs beside it, a second thread of torch waits for the first at every turn: ten times slower here.
"""

import os

import pytest
import torch
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")
torch.set_num_threads(1)


@pytest.fixture
def run(capsys):
    """Runs a command, and gives its exit code and what it has written to both streams."""
    # Not above: what is imported before the tests are configured has no checks of its types.
    from pg_core.__main__ import main

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call

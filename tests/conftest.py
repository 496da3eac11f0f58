"""Settings of all tests: properties are drawn the same way in every run of CI, and torch keeps to one thread.

Where other work runs beside it, a second thread of torch waits for the first at every turn: ten times slower here.
"""

import os

import torch
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")
torch.set_num_threads(1)

"""A disk on which no file becomes larger than so many bytes, as on a full one; works for every user."""

import resource
from contextlib import contextmanager


@contextmanager
def full_after(size):
    """Meanwhile a write beyond so many bytes of a file fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

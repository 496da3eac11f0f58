"""The version of the library, which stands nowhere else."""

__version__ = "0.1.0"

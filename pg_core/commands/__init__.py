"""The commands of `python -m pg_core`, one module each."""

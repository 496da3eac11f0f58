"""Patches, windows, receptive fields and every computation of an index ([PG] Equation 1, theory §2)."""

from pg_core.geometry.boxes import Box, Patch, Size, Window, cells, times
from pg_core.geometry.field import ReceptiveField
from pg_core.geometry.positions import PatchPositions, Positions, box_at
from pg_core.geometry.windows import Windows

__all__ = [
    "Box",
    "Patch",
    "PatchPositions",
    "Positions",
    "ReceptiveField",
    "Size",
    "Window",
    "Windows",
    "box_at",
    "cells",
    "times",
]

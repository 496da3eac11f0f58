"""Adaptive attacks on pixels: what the pixels of a patch do where nothing is certified (theory §12)."""

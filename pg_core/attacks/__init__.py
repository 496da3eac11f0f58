"""Adaptive attacks: what the pixels of a patch can really do where nothing is proved (theory §12)."""

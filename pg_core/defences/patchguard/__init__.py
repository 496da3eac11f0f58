"""Robust masking ([PG]): Algorithms 1 and 2, tight bounds, witnesses, cases and placements."""

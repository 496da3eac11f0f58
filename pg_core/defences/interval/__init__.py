"""Interval bounds ([IBP]): a certificate of pixels by a small network that is computed on intervals."""

"""Interval bound propagation ([IBP]): a certificate for pixels, by a small network that is computed on intervals."""

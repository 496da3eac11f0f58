"""Double masking ([PC]): on pixels, with any classifier, and on features."""

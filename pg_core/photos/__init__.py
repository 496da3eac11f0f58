"""Photos: read from hostile bytes, framed, patched, and run through a network."""

"""The version of the JSON that commands print and results keep: it rises when a field changes its name or meaning."""

SCHEMA = 1

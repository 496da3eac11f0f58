"""Labelled photos in folders, and files of local logits."""

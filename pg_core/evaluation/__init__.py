"""Accuracies over data sets: measured, kept on the disk, and set beside published ones."""

"""Accuracies over data sets, as they are measured, kept and set beside published ones."""

"""Training: the loop, its batches, objectives, checkpoints, teachers and recipes."""

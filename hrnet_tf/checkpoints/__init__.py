"""Checkpoints of the PyTorch programs: reading files, names, and what they hold."""

"""Checkpoints of the PyTorch programs to Keras models."""

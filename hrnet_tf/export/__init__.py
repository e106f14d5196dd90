"""Trained networks to files that other programs run, each proven equal to the model."""

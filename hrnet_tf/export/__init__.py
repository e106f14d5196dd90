"""Trained networks to files that other programs run, each compared with the model."""

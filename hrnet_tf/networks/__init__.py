"""Layers, body, heads, fine-tuning: Keras alone, nothing of data sets."""

"""Trained models to answers about images, a module a task."""

"""The task: regression."""

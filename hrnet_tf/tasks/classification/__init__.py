"""The task: classification."""

"""The task: landmarks."""

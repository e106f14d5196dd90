"""The task: pose."""

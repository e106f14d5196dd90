"""The task: bottom_up."""

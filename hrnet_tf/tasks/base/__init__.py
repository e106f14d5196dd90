"""What a task is, and what all of them share."""

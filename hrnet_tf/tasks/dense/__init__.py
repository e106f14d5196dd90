"""What tasks with an answer for every pixel share."""

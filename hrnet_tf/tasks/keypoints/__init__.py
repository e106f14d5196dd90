"""What tasks with keypoints share."""

"""Predictions on a whole data set, judged; a module a task."""

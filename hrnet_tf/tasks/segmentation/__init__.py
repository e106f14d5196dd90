"""The task: segmentation."""

"""The task: detection."""

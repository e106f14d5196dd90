"""Labels to tensors and back; both directions of a format stand in one module."""

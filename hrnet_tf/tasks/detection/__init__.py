"""Detection: the backbone; nothing trains it yet."""

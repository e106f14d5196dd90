"""Bottom-up pose: the network; nothing trains it yet."""

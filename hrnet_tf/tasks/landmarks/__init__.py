"""Facial landmarks: the network; nothing trains it yet."""

"""Real images with their annotations, where they are at hand."""

from pathlib import Path

SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "coco"

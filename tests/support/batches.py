"""Batches of pipelines, and the files of pairs that they come from."""

import cv2
import numpy as np


def assert_same(batches, expected):
    """Some batches are others, array by array."""
    for batch, other in zip(batches, expected, strict=True):
        for part, its in zip(batch, other, strict=True):
            np.testing.assert_array_equal(part, its)


def put_pair(root, part, name, image, **target):
    """Write an image, RGB, and its target, named after the folder it belongs to."""
    for folder, array in {"images": image[..., ::-1], **target}.items():
        path = root / folder / part / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), array)

"""Facial landmarks: points of faces, each in a box."""

from hrnet_tf.tasks.base.task import LookedAt, Parts, Task
from hrnet_tf.tasks.keypoints.options import OPTIONS
from hrnet_tf.tasks.landmarks.config import LandmarkConfig


def _parts() -> Parts:
    from hrnet_tf.tasks.landmarks.parts import PARTS

    return PARTS


TASK = Task(
    "landmarks",
    LandmarkConfig,
    _parts,
    OPTIONS,
    looks_at=LookedAt("face", "faces"),
)

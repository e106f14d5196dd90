"""Top-down pose: the keypoints of people, each in a box."""

from hrnet_tf.tasks.base.task import LookedAt, Parts, Task
from hrnet_tf.tasks.pose.config import PoseConfig
from hrnet_tf.tasks.pose.options import OPTIONS


def _parts() -> Parts:
    from hrnet_tf.tasks.pose.parts import PARTS

    return PARTS


TASK = Task("pose", PoseConfig, _parts, OPTIONS, looks_at=LookedAt("person", "people"))

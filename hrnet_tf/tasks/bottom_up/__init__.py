"""Bottom-up pose: the keypoints of everyone in an image, grouped to people."""

from hrnet_tf.tasks.base.task import Parts, Task
from hrnet_tf.tasks.bottom_up.config import BottomUpConfig
from hrnet_tf.tasks.bottom_up.options import OPTIONS


def _parts() -> Parts:
    from hrnet_tf.tasks.bottom_up.parts import PARTS

    return PARTS


TASK = Task("bottom_up", BottomUpConfig, _parts, OPTIONS)

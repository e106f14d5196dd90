"""Detection: where objects of which classes are in an image, and which pixels."""

from hrnet_tf.tasks.base.task import Parts, Task
from hrnet_tf.tasks.detection.config import DetectionConfig
from hrnet_tf.tasks.detection.options import OPTIONS


def _parts() -> Parts:
    from hrnet_tf.tasks.detection.parts import PARTS

    return PARTS


TASK = Task("detection", DetectionConfig, _parts, OPTIONS)

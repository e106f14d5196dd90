"""A class for every pixel of an image."""

from hrnet_tf.tasks.base.task import Parts, Task
from hrnet_tf.tasks.segmentation.config import SegmentationConfig


def _parts() -> Parts:
    from hrnet_tf.tasks.segmentation.parts import PARTS

    return PARTS


TASK = Task("segmentation", SegmentationConfig, _parts)

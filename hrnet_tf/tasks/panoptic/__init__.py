"""A class for every pixel of an image, and which of its things it belongs to."""

from hrnet_tf.tasks.base.task import Parts, Task
from hrnet_tf.tasks.panoptic.config import PanopticConfig


def _parts() -> Parts:
    from hrnet_tf.tasks.panoptic.parts import PARTS

    return PARTS


TASK = Task("panoptic", PanopticConfig, _parts)

"""What an image shows: one class of several."""

from hrnet_tf.tasks.base.task import Parts, Task
from hrnet_tf.tasks.classification.commands import SHARD
from hrnet_tf.tasks.classification.config import ClassificationConfig


def _parts() -> Parts:
    from hrnet_tf.tasks.classification.parts import PARTS

    return PARTS


TASK = Task("classification", ClassificationConfig, _parts, commands=(SHARD,))

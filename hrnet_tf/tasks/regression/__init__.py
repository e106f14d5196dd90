"""Numbers for every pixel of an image, such as a depth."""

from hrnet_tf.tasks.base.task import Parts, Task
from hrnet_tf.tasks.regression.config import RegressionConfig


def _parts() -> Parts:
    from hrnet_tf.tasks.regression.parts import PARTS

    return PARTS


TASK = Task("regression", RegressionConfig, _parts)

"""What `hrnet-tf predict` takes for models that find everyone at once."""

from hrnet_tf.common.arguments import number
from hrnet_tf.tasks.base.task import Option

WHOSE = "find keypoints of people"

OPTIONS = (
    Option(
        "--threshold",
        WHOSE,
        {"type": number, "default": 0.2, "help": "keypoints to draw; default: 0.2"},
    ),
    Option(
        "--scores",
        WHOSE,
        {"action": "store_true", "help": "write how sure each person is"},
    ),
)

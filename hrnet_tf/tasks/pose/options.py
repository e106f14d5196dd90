"""What `hrnet-tf predict` takes for models that find keypoints of people."""

from hrnet_tf.tasks.base.task import Option
from hrnet_tf.tasks.keypoints.options import OPTIONS as BOXED

OPTIONS = (
    *BOXED,
    Option(
        "--scores",
        "find keypoints of people",
        {"action": "store_true", "help": "write how sure each person is"},
    ),
)

"""What `hrnet-tf predict` takes for models that find objects."""

from hrnet_tf.common.arguments import number
from hrnet_tf.tasks.base.task import Option

OPTIONS = (
    Option(
        "--object-threshold",
        "find objects",
        {
            "type": number,
            "default": 0.3,
            "help": "objects to draw; all are written; default: 0.3",
        },
    ),
)

"""What `hrnet-tf predict` takes for models that look at people or faces in boxes."""

from hrnet_tf.common.arguments import number
from hrnet_tf.tasks.base.task import Option

WHOSE = "find keypoints of people or landmarks of faces"

OPTIONS = (
    Option(
        "--boxes",
        WHOSE,
        {
            "help": "whom to look at: COCO results, JSON: `bbox` (x, y, width, "
            "height), `score`, and `image_id` or `file_name`; of a video `image_id` is "
            "the number of a frame, from 0; default: whom --detector finds, or one "
            "that fills the image",
        },
        file="COCO results, JSON",
    ),
    Option(
        "--annotations",
        WHOSE,
        {
            "help": "COCO annotations, JSON, that say the ids of the images and of the "
            "category; default: ids are guessed from numbers in names, and "
            "said so, and the category is 1",
        },
        file="COCO annotations, JSON",
    ),
    Option(
        "--box-threshold",
        WHOSE,
        {
            "type": number,
            "default": 0.3,
            "help": "boxes with a lower score are left out; default: 0.3",
        },
    ),
    Option(
        "--threshold",
        WHOSE,
        {"type": number, "default": 0.2, "help": "keypoints to draw; default: 0.2"},
    ),
)

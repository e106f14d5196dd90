"""Parts of data sets by what configurations say of them."""

from hrnet_tf.tasks.detection.coco_objects import CocoObjects
from hrnet_tf.tasks.detection.config import DetectionData, ObjectsSection
from hrnet_tf.tasks.detection.objects import Wanted
from hrnet_tf.tasks.detection.wider_face import WiderFaces

Source = CocoObjects | WiderFaces


def open_part(
    data: DetectionData, section: ObjectsSection, *, masks: bool, training: bool
) -> Source:
    """One part of a data set.

    Args:
        data: the data set's section.
        section: of it, `train` or `validation`.
        masks: whether each object must have an outline.
        training: whether to learn from it.

    Raises:
        InputError: if it cannot be read.
    """
    wanted = Wanted(masks, training, data.empty_images, data.on_error)
    if data.format == "wider_face":
        return WiderFaces(section, wanted, data.reading)
    return CocoObjects(section, data.classes, wanted)

"""Small data sets of objects, in COCO's format."""

import json

import numpy as np

from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks.detection.config import ObjectsSection

CATEGORIES = [{"id": 7, "name": "cup"}, {"id": 3, "name": "plate"}]


def square(x, y, side):
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def annotation(number, image, box, category=3, **more):
    x, y, width, height = box
    around = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": list(box),
        "area": width * height,
        "iscrowd": 0,
        "segmentation": around,
        **more,
    }


def write_objects(folder, annotations, sizes, categories=CATEGORIES, files=()):
    """Images of these sizes (height, width), ids from 1, and their annotations.

    Numbers in `files` are ids of images that are listed, but not written.
    """
    rng = np.random.default_rng(0)
    images = []
    for number, (height, width) in enumerate(sizes, 1):
        name = f"{number}.png"
        size = {"height": height, "width": width}
        images.append({"id": number, "file_name": name, **size})
        if number not in files:
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            write_image(folder / "images" / name, pixels)
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "annotations.json"
    path.write_text(json.dumps(content))
    return ObjectsSection(str(path), str(folder / "images"))

"""A network that finds coloured spots, and images of them: answers known in advance."""

import json

import keras
import numpy as np
from keras import layers

from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.preprocess import MEAN, STD
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.bottom_up.manifest import (
    BottomUpManifest,
    Looks,
    MapsOutput,
    SceneInput,
)
from hrnet_tf.tasks.keypoints.config import CocoSection
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from hrnet_tf.tasks.keypoints.manifest import Decoding, HeatmapOutput
from hrnet_tf.tasks.pose.manifest import PoseManifest

COLORS = KeypointSet(
    "colors",
    names=("red", "green", "blue"),
    flip_pairs=(("green", "blue"),),
    sigmas=(0.1, 0.1, 0.1),
    skeleton=(("green", "blue"),),
)


def spot_manifest(**decoding):
    return PoseManifest(
        "spots",
        ImageInput(64, 48),
        HeatmapOutput(16, 12, 4),
        COLORS,
        Decoding(**{"refinement": "none", **decoding}),
    )


def spot_network():
    """Each heatmap is one colour, in [0, 1]; cell `c` looks at crop pixel `4 * c`."""
    crops = keras.Input((64, 48, 3), name="image")
    heatmaps = layers.Conv2D(3, 1, strides=4, name="colors")(crops)
    model = keras.Model(crops, heatmaps)
    model.set_weights([np.diag(STD)[None, None] / 255, np.array(MEAN) / 255])
    return model


def spot_image(size, points, radius):
    """Black, with one round spot of each colour.

    Args:
        size: height and width in pixels.
        points: x, y of the red, the green and the blue spot.
        radius: standard deviation of the spots, in pixels.
    """
    y, x = np.mgrid[: size[0], : size[1]]
    channels = [
        np.exp(-((x - left) ** 2 + (y - top) ** 2) / (2 * radius**2))
        for left, top in points
    ]
    return np.round(255 * np.stack(channels, axis=-1)).astype(np.uint8)


def write_crowd(folder, rng, images=4):
    """Images with two people each, whom a detector has found several times.

    Ids and names of files are numbers in different orders.

    Args:
        folder: to write to: `images/`, `annotations.json` and `boxes.json`.
        rng: where the people's chance comes from.
        images: how many.

    Returns:
        The section of the configuration, with the boxes.
    """
    data = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "spots", "keypoints": list(COLORS.names)}],
    }
    boxes = []
    for number in range(images):
        image_id, name = images - 1 - number, f"{number}.png"
        image = np.zeros((90, 120, 3), np.uint8)
        for left in (4, 64):
            points = np.array([[left + 12, 20], [left + 30, 40], [left + 16, 64]])
            points = points + rng.integers(-3, 4, (3, 2))
            image = np.maximum(image, spot_image((90, 120), points, radius=4))
            bbox = [left, 8, 46, 70]
            data["annotations"].append(
                {
                    "id": len(data["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "bbox": bbox,
                    "area": 46 * 70 / 2,
                    "keypoints": [float(v) for x, y in points for v in (x, y, 2)],
                    "num_keypoints": 3,
                    "iscrowd": 0,
                }
            )
            for shift, score in ((0, 0.9), (1, 0.8), (9, 0.6), (0, 0.1)):
                shifted = [left + shift, 8 + shift, 46, 70]
                boxes.append({"image_id": image_id, "bbox": shifted, "score": score})
            boxes.append({"image_id": image_id, "bbox": bbox, "category_id": 2})
        entry = {"id": image_id, "file_name": name, "width": 120, "height": 90}
        data["images"].append(entry)
        write_image(folder / "images" / name, image)
    files = folder / "annotations.json", folder / "boxes.json"
    for path, content in zip(files, (data, boxes), strict=True):
        path.write_text(json.dumps(content))
    return CocoSection(str(files[0]), str(folder / "images"), str(files[1]), 0.3)


def people_manifest(**looks):
    """Of `people_network`, which sees the short side of an image in 128 pixels."""
    given, looks = SceneInput(128, 128), Looks(128, **looks)
    return BottomUpManifest("people", given, MapsOutput(), COLORS, looks)


def people_network():
    """Heatmaps are colours, in [0, 1]; tags tell people by how bright they are."""
    image = keras.Input((None, None, 3), name="image")
    both = layers.Conv2D(6, 1, strides=4, name="colors_and_tags")(image)
    half = layers.Conv2D(3, 1, strides=2, name="colors")(image)
    model = keras.Model(image, {"heatmaps_and_tags": both, "heatmaps": half})
    kernel, bias = np.diag(STD)[None, None] / 255, np.array(MEAN) / 255
    weights = {"colors": [kernel, bias]}
    weights["colors_and_tags"] = [
        np.concatenate([x, 8 * x], -1) for x in (kernel, bias)
    ]
    for name, values in weights.items():
        model.get_layer(name).set_weights(values)
    return model


def people_image(size, people, radius=4):
    """Black, with a spot of each colour for everyone, who are less and less bright."""
    image = np.zeros((*size, 3), np.uint8)
    for number, points in enumerate(people):
        spots = spot_image(size, points, radius) * (1 - number / 3)
        image = np.maximum(image, spots.astype(np.uint8))
    return image

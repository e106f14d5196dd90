"""People as MPII's files have them."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from hrnet_tf.images.pictures import write_image

NOTHING = np.zeros((0, 0))  # MATLAB's []
SIZES = {"a.jpg": (120, 160), "b.png": (90, 140)}


def people() -> list[dict[str, Any]]:
    """Three people of two images, as the official JSON has them, near one another."""
    rng = np.random.default_rng(3)
    found = []
    for image, center in (("a.jpg", 60.0), ("a.jpg", 100.0), ("b.png", 70.0)):
        joints = np.round(rng.uniform(-25, 25, (16, 2)) + np.array([center, 50]), 1)
        visible = np.ones(16, int)
        visible[2], joints[2] = 0, -1
        found.append(
            {
                "image": image,
                "center": [center, 50.0],
                "scale": 0.4,
                "joints": joints.tolist(),
                "joints_vis": visible.tolist(),
            }
        )
    return found


def write_heads(found: list[dict[str, Any]], path: Path) -> None:
    """The official ground truth of these people."""
    joints = np.array([person["joints"] for person in found])
    visible = np.array([person["joints_vis"] for person in found])
    corners = np.array([[[10.0, 10.0], [22.0, 26.0]]] * len(found))
    savemat(
        path,
        {
            "dataset_joints": np.array([["rank"]], dtype=object),
            "jnt_missing": 1 - visible.T,
            "pos_gt_src": joints.transpose(1, 2, 0),
            "headboxes_src": corners.transpose(1, 2, 0),
        },
    )


def write_images(folder: Path) -> None:
    """The images of these people, into `folder/images`."""
    rng = np.random.default_rng(0)
    for name, size in SIZES.items():
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        write_image(folder / "images" / name, image)


def structures(rows: list[dict[str, Any]]) -> np.ndarray:
    """An array of MATLAB's structures with the same fields."""
    array = np.zeros(len(rows), [(name, object) for name in rows[0]])
    for place, row in enumerate(rows):
        for name, value in row.items():
            array[place][name] = value
    return array


def rectangle(person: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A person of the release; the visibility of a keypoint is text, or nothing."""
    points = [
        {"id": i, "x": x, "y": y, "is_visible": "1" if i < 8 else NOTHING}
        for i, (x, y) in enumerate(person["joints"])
        if person["joints_vis"][i]
    ]
    return {
        **{"x1": 10.0, "y1": 10.0, "x2": 22.0, "y2": 26.0},
        "annopoints": {"point": structures(points)},
        "scale": person["scale"],
        "objpos": dict(zip("xy", person["center"], strict=True)),
        **changes,
    }

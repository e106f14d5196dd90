"""What surrounds an exported network, in NumPy alone: an image in, an answer out.

This file needs nothing but NumPy and the manifest, the JSON beside every exported file.
Copy it to where the network runs, or follow it line by line in another language. With
onnxruntime, for one person of an image:

    manifest = read_manifest("model.onnx.json")
    matrix = crop_matrix(box, manifest)                # box: x, y, width, height
    tensor = prepare(crop(image, matrix, manifest), manifest)
    (output,) = session.run(None, {"image": tensor})
    answer = decode(output, manifest)
    keypoints = to_image(answer["keypoints"], matrix)  # in pixels of the image

A classifier looks at `central_crop(image, manifest)`, a network for landmarks at
`crop_face(image, box, manifest)`, and `face_to_image(answer["landmarks"], box,
manifest)` is the way back; the other tasks look at a whole image. An image is RGB as
viewers show it, turned by its EXIF tag; only where the manifest's `input.orientation`
is `"stored"` it is as its pixels lie. OpenCV's `imread` turns it, Pillow does with
`ImageOps.exif_transpose`, most others do not.
Pixels are counted from the middle of the top-left one: x to the right, y down. Only the
image as it is is looked at: no mirrored one, no other scales.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Facts = dict[str, Any]  # a manifest, as JSON gives it

KNOWN = ("pose", "landmarks", "classification", "segmentation", "regression")
SMALLEST = 1.0  # pixels that a box counts as at least, so that its crop has a size


def read_manifest(path: str | Path) -> Facts:
    """What a network takes and what its answers mean, as a dictionary."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def prepare(images: np.ndarray, manifest: Facts) -> np.ndarray:
    """Images to a network's input: normalised, in its colours, layout and numbers.

    Args:
        images: uint8 RGB `(height, width, 3)`, or several `(n, height, width, 3)`.
        manifest: its `input` says colours, mean, deviation, layout, type, quantisation.

    Returns:
        `(n, height, width, 3)`, or `(n, 3, height, width)` where the layout is NCHW.
    """
    facts = manifest["input"]
    images = np.asarray(images, np.float32).reshape(-1, *np.shape(images)[-3:])
    images = images[..., :: -1 if facts.get("color_order") == "BGR" else 1]
    images = (images - np.float32(facts["mean"])) / np.float32(facts["std"])
    if facts["layout"] == "NCHW":
        images = images.transpose(0, 3, 1, 2)
    if steps := facts.get("quantisation"):
        limits = np.iinfo(facts["dtype"])
        images = np.round(images / steps["scale"]) + steps["zero_point"]
        images = np.clip(images, limits.min, limits.max)
    return np.ascontiguousarray(images, facts["dtype"])


def decode(
    output: np.ndarray, manifest: Facts, size: tuple[int, int] | None = None
) -> dict[str, Any]:
    """A network's output to what it means, for `n` images.

    Args:
        output: what the runtime gave.
        manifest: its `output` says layout and quantisation, its `task` what follows.
        size: height and width of the images, where the network takes any; None: the
            manifest's.

    Returns:
        By task, a dictionary. Pose: `keypoints`, `(n, k, 2)`, x and y in pixels of the
        network's input, and `scores`, `(n, k)`. Landmarks: `landmarks` and `scores`
        likewise. Classification: `probabilities`, `(n, classes)`, and `names` of the
        likeliest. Segmentation: `labels`, uint8 `(n, height, width)`, and `confidence`,
        0 to 1. Regression: `values`, `(n, height, width, channels)`.

    Raises:
        ValueError: if the task is another one.
    """
    facts = manifest["output"]
    output = np.asarray(output, np.float32)
    steps = facts.get("quantisation")
    if steps:
        output = (output - steps["zero_point"]) * np.float32(steps["scale"])
    if facts.get("layout") == "NCHW":
        output = output.transpose(0, 2, 3, 1)
    task = manifest["task"]
    if task not in KNOWN:
        raise ValueError(
            f"decoder.py does not know what answers of the task {task} mean; `prepare` "
            "makes the input of its network, and the task's own code knows the rest."
        )
    if task == "pose":
        return decode_pose(output, manifest)
    if task == "landmarks":
        return decode_landmarks(output, manifest)
    if task == "classification":
        shares = softmax(output)
        names = [manifest["classes"][i] for i in shares.argmax(axis=-1)]
        return {"probabilities": shares, "names": names}
    size = size or (manifest["input"]["height"], manifest["input"]["width"])
    maps = resize_maps(output, size, facts["align_corners"])
    if task == "regression":
        return {"values": maps}
    shares = softmax(maps)
    labels = shares.argmax(axis=-1).astype(np.uint8)
    return {"labels": labels, "confidence": shares.max(axis=-1)}


# Pose


def decode_pose(heatmaps: np.ndarray, manifest: Facts) -> dict[str, np.ndarray]:
    """Heatmaps `(n, height, width, k or 3 * k)` to keypoints in pixels of the input."""
    rule, sigma = manifest["decoding"]["refinement"], manifest["decoding"]["sigma"]
    each = 3 if encoding_of(manifest) == "udp_offsets" else 1
    people, height, width, maps = heatmaps.shape
    keypoints = np.zeros((people, maps // each, 2), np.float32)
    scores = np.zeros((people, maps // each), np.float32)
    for person in range(people):
        for k in range(maps // each):
            own = heatmaps[person, :, :, each * k : each * (k + 1)]
            if each == 3:
                keypoints[person, k], scores[person, k] = find_disc(own, sigma)
            else:
                keypoints[person, k] = find_peak(own[:, :, 0], rule, sigma)
                scores[person, k] = own.max()
    step: np.ndarray = np.full(2, manifest["output"]["stride"], np.float32)
    if encoding_of(manifest).startswith("udp"):  # from middle to middle of pixels
        step = (step * [width, height] - 1) / np.maximum([width - 1, height - 1], 1)
    return {"keypoints": (keypoints * step).astype(np.float32), "scores": scores}


def encoding_of(manifest: Facts) -> str:
    """How the network writes keypoints: `plain`, `dark`, `udp` or `udp_offsets`."""
    return manifest["decoding"].get("encoding", "plain")


def find_peak(heatmap: np.ndarray, rule: str, sigma: float) -> tuple[float, float]:
    """Column and row of the highest cell, refined; (0, 0) if none is above 0."""
    height, width = heatmap.shape
    y, x = divmod(int(heatmap.argmax()), width)
    if heatmap[y, x] <= 0:
        return 0.0, 0.0
    right, down = 0.0, 0.0
    if rule in ("quarter", "quarter_by_axis"):  # to the higher neighbour
        across, along = 1 < x < width - 1, 1 < y < height - 1
        if rule == "quarter":  # along both axes, or not at all
            across = along = across and along
        if across and y > 0:
            right = 0.25 * np.sign(heatmap[y, x + 1] - heatmap[y, x - 1])
        if along and x > 0:
            down = 0.25 * np.sign(heatmap[y + 1, x] - heatmap[y - 1, x])
    elif rule == "udp":
        right, down = to_top_by_cells(smooth_logarithm(heatmap, sigma, 1e-3, 50), x, y)
    elif rule == "dark" and 1 < x < width - 2 and 1 < y < height - 2:
        # To the top of a parabola through the smoothed heatmap's logarithm.
        h = smooth_logarithm(heatmap, sigma)
        dx, dy = (h[y, x + 1] - h[y, x - 1]) / 2, (h[y + 1, x] - h[y - 1, x]) / 2
        dxx = (h[y, x + 2] - 2 * h[y, x] + h[y, x - 2]) / 4
        dyy = (h[y + 2, x] - 2 * h[y, x] + h[y - 2, x]) / 4
        dxy = h[y + 1, x + 1] - h[y - 1, x + 1] - h[y + 1, x - 1] + h[y - 1, x - 1]
        right, down = to_top(dx, dy, dxx, dyy, dxy / 4)
    return x + right, y + down


def to_top_by_cells(h: np.ndarray, x: int, y: int) -> tuple[float, float]:
    """The same by differences of single cells, up to the border: UDP's rule."""
    h = np.pad(h, 1, mode="edge")[y : y + 3, x : x + 3]  # the cell is in the middle
    least = np.finfo(np.float32).eps
    dxx = h[1, 2] - 2 * h[1, 1] + h[1, 0] + least
    dyy = h[2, 1] - 2 * h[1, 1] + h[0, 1] + least
    dxy = h[2, 2] + h[0, 0] + 2 * h[1, 1] - h[1, 2] - h[2, 1] - h[1, 0] - h[0, 1]
    return to_top((h[1, 2] - h[1, 0]) / 2, (h[2, 1] - h[0, 1]) / 2, dxx, dyy, dxy / 2)


def to_top(*slopes: float) -> tuple[float, float]:
    """From a place to the top of a parabola, by its first and second slopes there."""
    dx, dy, dxx, dyy, dxy = slopes
    determinant = dxx * dyy - dxy * dxy
    if determinant == 0:
        return 0.0, 0.0
    return (dxy * dy - dyy * dx) / determinant, (dxy * dx - dxx * dy) / determinant


def find_disc(maps: np.ndarray, sigma: float) -> tuple[tuple[float, float], float]:
    """Place and score by a disc, and by how far right and down it is, in radii."""
    height, width, _ = maps.shape
    smooth = blur(maps[:, :, 0], 2 * int((6 * sigma - 1) // 2) + 1, "reflect")
    y, x = divmod(int(smooth.argmax()), width)
    if smooth[y, x] <= 0:
        return (0.0, 0.0), smooth.max()
    radius = 0.0546875 * max(height, width)
    return (x + radius * maps[y, x, 1], y + radius * maps[y, x, 2]), smooth[y, x]


def smooth_logarithm(
    heatmap: np.ndarray, sigma: float, least: float = 1e-10, most: float = np.inf
) -> np.ndarray:
    """A heatmap blurred by a Gaussian, at its old height, as a logarithm."""
    blurred = blur(heatmap, int(6 * sigma - 1) // 2, "constant")
    if blurred.max() != 0:
        blurred = blurred * (heatmap.max() / blurred.max())
    return np.log(np.clip(blurred, least, most))


def blur(heatmap: np.ndarray, radius: int, beyond: Any) -> np.ndarray:
    """A heatmap smoothed by a Gaussian; what is `beyond` it is as `np.pad` has it."""
    spread = 0.3 * (radius - 1) + 0.8  # as OpenCV chooses it for a kernel of this size
    kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * spread**2))
    kernel = kernel / kernel.sum()
    height, width = heatmap.shape
    padded = np.pad(np.asarray(heatmap, np.float64), radius, mode=beyond)
    rows = sum(w * padded[i : i + height] for i, w in enumerate(kernel))
    return sum(w * rows[:, i : i + width] for i, w in enumerate(kernel))


def crop_matrix(box: Sequence[float], manifest: Facts) -> np.ndarray:
    """`(2, 3)`, from pixels of the network's input to pixels of the image.

    The crop is the box at the input's aspect ratio with a margin. OpenCV's `warpAffine`
    takes this matrix with `WARP_INVERSE_MAP`.

    Args:
        box: x, y, width, height in pixels of the image.
        manifest: says the input's size, and the margin.
    """
    x, y, w, h = box
    height, width = manifest["input"]["height"], manifest["input"]["width"]
    side = max(w, h * width / height, SMALLEST) * manifest["decoding"]["padding"]
    across, down = width, height
    if encoding_of(manifest).startswith("udp"):  # from middle to middle of pixels
        across, down = width - 1, height - 1
    left, top = x + w / 2 - side / 2, y + h / 2 - side * height / width / 2
    return np.array([[side / across, 0, left], [0, side * height / width / down, top]])


def to_image(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points `(..., 2)` of the network's input to pixels of the image."""
    return points @ matrix[:, :2].T + matrix[:, 2]


# Facial landmarks


def decode_landmarks(heatmaps: np.ndarray, manifest: Facts) -> dict[str, np.ndarray]:
    """Heatmaps `(n, height, width, k)` to landmarks in pixels of the input."""
    rule, sigma = manifest["decoding"]["refinement"], manifest["decoding"]["sigma"]
    faces, _, _, count = heatmaps.shape
    cells = np.full((faces, count, 2), -1, np.float32)  # where nothing is above 0
    scores = heatmaps.max(axis=(1, 2))
    for face, k in np.argwhere(scores > 0):
        cells[face, k] = find_landmark(heatmaps[face, :, :, k], rule, sigma)
    points = (cells + 0.5) * manifest["output"]["stride"] - 0.5
    return {"landmarks": points.astype(np.float32), "scores": scores}


def find_landmark(heatmap: np.ndarray, rule: str, sigma: float) -> tuple[float, float]:
    """`find_peak` that looks at the neighbours of all cells but those on the border."""
    height, width = heatmap.shape
    y, x = divmod(int(heatmap.argmax()), width)
    if rule != "quarter" or not (0 < x < width - 1 and 0 < y < height - 1):
        return find_peak(heatmap, rule if rule != "quarter" else "none", sigma)
    right = np.sign(heatmap[y, x + 1] - heatmap[y, x - 1])
    down = np.sign(heatmap[y + 1, x] - heatmap[y - 1, x])
    return x + 0.25 * right, y + 0.25 * down


def face_square(box: Sequence[float], manifest: Facts) -> tuple[np.ndarray, float]:
    """Centre and side of the square of the image that is looked at."""
    x, y, w, h = box
    center = np.array([x + w / 2, y + h / 2], np.float32).astype(np.float64)
    return center, max(w, h, SMALLEST) * manifest["decoding"]["padding"]


def crop_face(image: np.ndarray, box: Sequence[float], manifest: Facts) -> np.ndarray:
    """The part of an image that a network for landmarks looks at, uint8.

    By the official rule it is a window of whole pixels with stretched contrast.
    """
    if manifest["decoding"]["rule"] == "affine":
        return crop(image, crop_matrix(box, manifest), manifest)
    size = manifest["input"]["height"]
    center, side = face_square(box, manifest)
    factor = side / size
    if factor >= 2:
        rows, columns = (max(int(n // factor), 1) for n in image.shape[:2])
        if manifest["decoding"]["stretched_twice"]:
            image = stretch(image)
        image = resize_image(image, rows, columns)
        center, side = center / factor, side / factor
    places = np.array([[-1.0], [size - 1.0]])
    low, high = ((places - size / 2) * (side / size) + center).astype(int) + 1
    wide, tall = np.maximum(high - low, 1)
    found = np.zeros((tall, wide, 3), np.uint8)
    left, top = np.maximum(low, 0)
    part = image[top : max(low[1] + tall, 0), left : max(low[0] + wide, 0)]
    if part.size:
        y, x = top - low[1], left - low[0]
        found[y : y + part.shape[0], x : x + part.shape[1]] = part
    return resize_image(stretch(found), size, size)


def face_to_image(
    points: np.ndarray, box: Sequence[float], manifest: Facts
) -> np.ndarray:
    """Landmarks `(..., 2)` in pixels of the input to pixels of the image."""
    if manifest["decoding"]["rule"] == "affine":
        return to_image(points, crop_matrix(box, manifest))
    size = manifest["input"]["height"]
    center, side = face_square(box, manifest)
    places = np.asarray(points, np.float64) + 0.5
    places = (places - size / 2) * (side / size) + center
    return (places.astype(int) + 1).astype(np.float32)  # whole pixels


def stretch(image: np.ndarray) -> np.ndarray:
    """Contrast stretched to 0..255, from the lowest to the highest of all channels."""
    low, high = float(image.min()), float(image.max())
    values = (np.float32(image) - low) * (255 / ((high - low) or 1))
    return np.asarray(values + 0.5, np.uint8)


def resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resized as Pillow does: bilinear, with averaging where it shrinks."""
    for axis, pixels in ((1, width), (0, height)):
        step = image.shape[axis] / pixels
        places = (np.arange(pixels) + 0.5) * step - 0.5
        near = nearness(places, image.shape[axis], max(step, 1.0))
        near = near / near.sum(axis=1, keepdims=True)
        image = np.moveaxis(np.tensordot(near, np.float32(image), (1, axis)), 0, axis)
        image = np.asarray(np.floor(image + 0.5), np.uint8)
    return image


# Resizing: each pixel of the result is a mean of those around its place in the source.


def crop(image: np.ndarray, matrix: np.ndarray, manifest: Facts) -> np.ndarray:
    """The part of an image that a network looks at, uint8; black outside of it."""
    height, width = manifest["input"]["height"], manifest["input"]["width"]
    rows = nearness(matrix[1, 1] * np.arange(height) + matrix[1, 2], image.shape[0])
    columns = nearness(matrix[0, 0] * np.arange(width) + matrix[0, 2], image.shape[1])
    return np.round(weighted(image, rows, columns)).astype(np.uint8)


def central_crop(image: np.ndarray, manifest: Facts) -> np.ndarray:
    """The middle of an image, resized, uint8: what a classifier looks at."""
    given = np.array(image.shape[:2])
    wanted = np.array([manifest["input"]["height"], manifest["input"]["width"]])
    factor = (np.round(wanted / manifest["crop_share"]) / given).max()
    whole = np.floor(given * factor + 1e-6)  # the size of the whole image, resized
    offset = np.round((whole - wanted) / 2)
    weights = []
    for side in range(2):
        step = given[side] / whole[side]
        places = (np.arange(wanted[side]) + 0.5 + offset[side]) * step - 0.5
        # Where the image shrinks, pixels farther away count too.
        near = nearness(places, given[side], max(step, 1.0))
        weights.append(near / near.sum(axis=1, keepdims=True))
    return np.round(weighted(image, *weights)).astype(np.uint8)


def resize_maps(
    maps: np.ndarray, size: tuple[int, int], align_corners: bool
) -> np.ndarray:
    """Maps `(n, rows, columns, channels)` to `(n, *size, channels)`, bilinear."""
    weights = []
    for cells, pixels in zip(maps.shape[1:3], size, strict=True):
        if align_corners:  # the middles of the corner cells stay at the corners
            places = np.arange(pixels) * ((cells - 1) / max(pixels - 1, 1))
        else:  # the corners of the corner cells do
            places = (np.arange(pixels) + 0.5) * (cells / pixels) - 0.5
        weights.append(nearness(np.clip(places, 0, cells - 1), cells))
    return np.stack([weighted(each, *weights) for each in maps])


def nearness(places: np.ndarray, length: int, reach: float = 1.0) -> np.ndarray:
    """Weights `(places, length)`: 1 for a pixel at the place, 0 from `reach` on."""
    distance = np.abs(np.asarray(places)[:, None] - np.arange(length))
    return np.maximum(0, 1 - distance / reach).astype(np.float32)


def weighted(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`(height, width, c)` to the sums by weights of its rows and of its columns."""
    image = np.tensordot(rows, np.asarray(image, np.float32), 1)
    return np.tensordot(columns, image, (1, 1)).transpose(1, 0, 2)


def softmax(numbers: np.ndarray) -> np.ndarray:
    """Shares of the last axis, which sum up to 1."""
    shares = np.exp(numbers - numbers.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)

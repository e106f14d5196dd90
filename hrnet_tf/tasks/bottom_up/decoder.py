"""People from an exported network for bottom-up pose, in NumPy alone.

Beside exports this file and those that it imports are the folder `people`; with them
`decoder.py` there is all that is needed. They are what `hrnet_tf` itself predicts with:

    import decoder, people

    facts = decoder.read_manifest("model.onnx.json")
    facts, matrix = people.look(image.shape, facts)
    tensor = decoder.prepare(decoder.crop(image, matrix, facts), facts)
    names = [output.name for output in session.get_outputs()]
    maps = dict(zip(names, session.run(names, {"image": tensor})))
    answer = people.decode(maps, facts, matrix)
    answer["keypoints"], answer["scores"]              # in pixels of the image

Images are looked at once, as they are. With OpenCV and hrnet_tf at hand the same goes
faster.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .grouping import Grouping, group
from .looks import middle_of, size_of_look, width_to_fit
from .maps import Seen, merge

Facts = dict[str, Any]  # a manifest, as JSON gives it


def look(image_size: Sequence[int], manifest: Facts) -> tuple[Facts, np.ndarray]:
    """How an image is looked at whole.

    Args:
        image_size: its height and width; more numbers behind them do not matter.
        manifest: says how large networks want it, and whether they take any size.

    Returns:
        The manifest with the height and width of the network's input for this image;
        and `(2, 3)`, from pixels of that input to pixels of the image.
    """
    given = manifest["input"]
    if given["any_size"]:
        short_side = manifest["looks"]["short_side"]
        (height, width), across = size_of_look(image_size[:2], short_side)
    else:
        height, width = given["height"], given["width"]
        across = width_to_fit(image_size[:2], (height, width))
    step = across / width
    x, y = middle_of(image_size[:2])
    matrix = [[step, 0, x - step * width / 2], [0, step, y - step * height / 2]]
    seen = {**manifest, "input": {**given, "height": height, "width": width}}
    return seen, np.array(matrix)


def decode(
    outputs: Mapping[str, np.ndarray], manifest: Facts, matrix: np.ndarray
) -> dict[str, np.ndarray]:
    """A network's outputs about one image to the people in it.

    Args:
        outputs: what the runtime gave, by name: `quarter_heatmaps`, `heatmaps` and
            `tags`, or the last two of a file that averages heatmaps itself; integers
            where the manifest gives a scale and a zero point.
        manifest: with the size of the input, see `look`.
        matrix: from pixels of the input to pixels of the image.

    Returns:
        `keypoints`, float32 `(people, k, 3)`, x and y in pixels of the image and how
        sure each is, zeros where a person has none; and `scores`, float32 `(people,)`.

    Raises:
        ValueError: if the outputs are about several images, or not finite.

    Example:
        ```python
        answer = people.decode(maps, facts, matrix)
        ```
    """
    maps = {name: _map(name, values, manifest) for name, values in outputs.items()}
    if not all(np.isfinite(values).all() for values in maps.values()):
        raise ValueError("The network answers with numbers that are not finite.")
    given, looks = manifest["input"], manifest["looks"]
    size = (given["height"], given["width"]) if looks["project"] else None
    mirror = np.arange(maps["heatmaps"].shape[-1])  # nothing is mirrored
    merged = merge([Seen(maps)], mirror, size, 0)
    found, scores = group(merged, Grouping(**manifest["grouping"]))
    step = given["width"] / merged.size[1]
    places = found[..., :2] * step @ matrix[:, :2].T + matrix[:, 2]
    values = found[..., 2:3]
    keypoints = np.concatenate([np.where(values > 0, places, 0), values], axis=-1)
    return {
        "keypoints": keypoints.astype(np.float32),
        "scores": scores.astype(np.float32),
    }


def _map(name: str, values: np.ndarray, manifest: Facts) -> np.ndarray:
    """One image's map, float32 `(rows, columns, k)`."""
    facts = manifest["output"]
    if len(values) != 1:
        raise ValueError(f"`{name}` must be about one image, got {len(values)}.")
    found = np.asarray(values[0], np.float32)
    steps = facts[name]["quantisation"]
    if steps:
        found = (found - steps["zero_point"]) * np.float32(steps["scale"])
    if facts["layout"] == "NCHW":
        found = found.transpose(1, 2, 0)
    return np.ascontiguousarray(found)

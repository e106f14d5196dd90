"""The weights and inputs of the recorded detectors, which follow from their names."""

import numpy as np

from support.official import channels_last, generator, tensor


def case_tensors(facts, recorded=None):
    """All tensors of a recorded detector under their names in its program."""
    made = {name: tensor(name, shape) for name, shape in facts["tensors"]}
    for name in made:
        for end, factor in facts["weight_scale"].items():
            if name.endswith(end):
                made[name] = made[name] * np.float32(factor)
    for name, values in (recorded or {}).items():
        if name.startswith("override/"):
            made[name.removeprefix("override/")] = values
    return made


def blocks(name, shape):
    """The input: large coloured blocks with noise, channels last."""
    few, channels, height, width = shape
    coarse = (few, channels, height // 32, width // 32)
    colours = generator(name).standard_normal(coarse)
    colours = colours.repeat(32, axis=2).repeat(32, axis=3)
    noise = generator(f"{name}_noise").standard_normal(shape)
    return channels_last((32 * (colours + 0.25 * noise)).astype(np.float32))


def some_objects():
    """An image with two objects and a crowd, and one with none, padded."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 64, 96, 3)).astype(np.float32)
    boxes = np.zeros((2, 4, 4), np.float32)
    boxes[0, :3] = [(8, 4, 40, 44), (50, 20, 90, 60), (0, 0, 96, 64)]
    masks = np.zeros((2, 4, 64, 96), np.uint8)
    masks[0, 0, 4:44, 8:30] = masks[0, 1, 20:60, 50:90] = 1
    given = {"image": image, "sizes": np.array([[64, 96], [50, 70]], np.int32)}
    targets = {
        "boxes": boxes,
        "labels": np.array([[0, 2, 1, -1], [-1] * 4], np.int32),
        "crowds": np.array([[False, False, True, False], [False] * 4]),
        "masks": masks,
    }
    return given, targets

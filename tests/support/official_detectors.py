"""The weights and inputs of the recorded detectors: they follow from their names."""

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

"""The weights and inputs of the recorded numbers: they follow from their names."""

import hashlib
import json
from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).parents[1] / "fixtures"


def generator(name: str) -> np.random.Generator:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.PCG64(seed))


def tensor(name: str, shape: list[int]) -> np.ndarray:
    rng, leaf = generator(name), name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros((), np.int64)
    if leaf == "running_mean":
        values = 0.1 * rng.standard_normal(shape)
    elif leaf == "running_var":
        values = rng.uniform(0.5, 1.5, shape)
    elif leaf == "weight" and len(shape) == 1:
        values = rng.uniform(0.4, 0.8, shape)
    elif leaf == "bias":
        values = 0.1 * rng.standard_normal(shape)
    else:
        values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return values.astype(np.float32)


def read_case(kind: str, name: str) -> dict:
    return json.loads((FIXTURES / kind / f"{name}.json").read_text())


def read_arrays(kind: str, name: str) -> dict[str, np.ndarray]:
    return dict(np.load(FIXTURES / kind / f"{name}.npz"))


def tensors(case: dict) -> dict[str, np.ndarray]:
    """All tensors of a recorded network; ours have no `backbone.` before the body."""
    return {
        name.removeprefix("backbone."): tensor(name, shape)
        for name, shape in case["tensors"]
    }


def images(name: str, shape: list[int]) -> np.ndarray:
    return channels_last(generator(name).standard_normal(shape).astype(np.float32))


def channels_last(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 2, 3, 1)

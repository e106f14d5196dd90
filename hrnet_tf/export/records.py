"""What an artefact was asked and answered when it was made."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hrnet_tf.common.arrays import read_arrays, write_arrays

INPUTS, ANSWERS = "inputs/", "answers/"  # what names in a record begin with

Arrays = dict[str, np.ndarray]


def record(path: Path, inputs: Mapping, answers: Mapping) -> None:
    """Write what an artefact was asked and answered, arrays by name, as `.npz`."""
    given = {INPUTS + name: value for name, value in inputs.items()}
    answered = {ANSWERS + name: value for name, value in answers.items()}
    write_arrays(path, given | answered, compressed=True)


def read_record(path: Path) -> tuple[Arrays, Arrays]:
    """What an artefact was asked, and what it answered."""
    arrays = read_arrays(path, advice="export the model again")
    inputs, answers = (
        {
            name.removeprefix(kind): value
            for name, value in arrays.items()
            if name.startswith(kind)
        }
        for kind in (INPUTS, ANSWERS)
    )
    return inputs, answers

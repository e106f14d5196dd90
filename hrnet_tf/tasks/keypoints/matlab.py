"""MATLAB's files, of whichever version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.boxes import shortened


def read_matlab(path: str | Path, structures: bool = False) -> Mapping[str, Any]:
    """The variables of a MATLAB file by name.

    Args:
        path: of version 4 to 7.2, which SciPy reads, or 7.3, which is HDF5.
        structures: whether structures become dictionaries, and arrays of them and cells
            lists or, where there is only one, the thing itself; of versions up to 7.2
            only.

    Returns:
        Arrays of NumPy; of HDF5 what h5py has opened.

    Raises:
        InputError: if there is no such file, it is neither, or of version 7.3 and
            `structures` are asked for.
    """
    import h5py
    from scipy.io import loadmat

    if not Path(path).is_file():
        raise InputError(f"There is no file {path}.")
    try:
        if not h5py.is_hdf5(path):
            return loadmat(str(path), simplify_cells=structures)
        if not structures:
            return h5py.File(path, "r")
    except Exception as error:  # the parsers raise whatever they stumble over
        raise InputError(
            f"{path} is no MATLAB file: {shortened(str(error), 200)}."
        ) from None
    raise too_new(path)


def too_new(path: str | Path) -> InputError:
    """What to raise of a file of version 7.3 where only older ones can be read."""
    return InputError(
        f"{path} is of MATLAB's version 7.3, as the published file is not; save its "
        "variables again with -v7."
    )


def as_table(values: Any) -> np.ndarray:
    """A matrix of numbers as MATLAB shows it, float64; HDF5 has it transposed."""
    return np.asarray(values if isinstance(values, np.ndarray) else values[()].T, float)

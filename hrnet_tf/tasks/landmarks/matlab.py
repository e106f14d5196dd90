"""MATLAB's files of AFLW and COFW, of whichever version."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2

POINTS = 29  # of COFW

# Names of images, points and boxes in COFW's files, for training and for the test.
COFW = (("IsTr", "phisTr", "bboxesTr"), ("IsT", "phisT", "bboxesT"))


class MatlabImages:
    """The images of a COFW file, each read when it is needed.

    Args:
        path: of the file.
        content: what `read_matlab` gives of it.
        key: name of the images.
    """

    def __init__(self, path: str, content: Mapping[str, Any], key: str):
        self.path = path
        self._content, self._key = content, key
        self._lock = threading.Lock()  # of HDF5

    def load(self, number: int) -> np.ndarray:
        """An image, uint8 RGB `(height, width, 3)`.

        Raises:
            InputError: if there is none, or it is no image of 8 bits.
        """
        with self._lock:
            cells = self._content[self._key]
            if isinstance(cells, np.ndarray):
                image = np.asarray(cells.ravel()[number])
            else:  # HDF5 holds references, and arrays with their axes reversed
                reference = np.asarray(cells).ravel()[number]
                image = np.asarray(cells.file[reference]).T
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or not image.size:
            raise InputError(
                f"image {number} of {self.path} is {image.dtype} of shape "
                f"{image.shape}; uint8 (height, width) or (height, width, 3) is "
                "expected"
            )
        if image.ndim == 2:
            return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_GRAY2RGB)
        return np.ascontiguousarray(image)


def read_matlab(path: str | Path) -> Mapping[str, Any]:
    """The variables of a MATLAB file by name.

    Args:
        path: of version 4 to 7.2, which SciPy reads, or 7.3, which is HDF5.

    Returns:
        Arrays of NumPy; of HDF5 what h5py has opened.

    Raises:
        InputError: if there is no such file, or it is neither.
    """
    import h5py
    from scipy.io import loadmat

    if not Path(path).is_file():
        raise InputError(f"There is no file {path}.")
    try:
        return h5py.File(path, "r") if h5py.is_hdf5(path) else loadmat(str(path))
    except Exception as error:  # the parsers raise whatever they stumble over
        raise InputError(f"{path} is no MATLAB file: {error}.") from None


def as_table(values: Any) -> np.ndarray:
    """A matrix of numbers as MATLAB shows it, float64; HDF5 has it transposed."""
    return np.asarray(values if isinstance(values, np.ndarray) else values[()].T, float)

"""Images in a MATLAB file, as COFW has them."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.opencv import cv2


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

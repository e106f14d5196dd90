"""What is asked of exports beyond their format."""

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Options:
    """Settings that some formats have; the others ignore them.

    Attributes:
        layout: of what an ONNX file takes: `"NHWC"`, or PyTorch's `"NCHW"`.
        calibration: images that ranges of numbers are measured on, uint8 RGB `(n,
            height, width, 3)` at the input's size; needed by formats with integers.
        version: of a SavedModel, the name of its folder; TensorFlow Serving answers by
            the highest one.
    """

    layout: Literal["NHWC", "NCHW"] = "NHWC"
    calibration: np.ndarray | None = None
    version: int = 1

"""What is asked of exports beyond their format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.export.finding import Finder
from hrnet_tf.export.names import Weights


@dataclass(frozen=True)
class Options:
    """Settings that some formats have; the others ignore them.

    Attributes:
        layout: of what a file of ONNX or OpenVINO takes: `"NHWC"`, or PyTorch's
            `"NCHW"`.
        calibration: images that ranges of numbers are measured on, uint8 RGB `(n,
            height, width, 3)` at the input's size; needed by formats with integers.
        version: of a SavedModel, the name of its folder; TensorFlow Serving answers by
            the highest one.
        samples: what a SavedModel is asked when a server loads it, as in `Run.samples`;
            None: nothing.
        weights: of a SavedModel: `"constants"`, which are fast on CPUs in every
            process; or `"variables"`, which take a third of the memory and of the time
            to the first answer, and are about as fast in processes that have
            `FROZEN_WEIGHTS` of `export/processes/runtimes.py` in their environment.
        detector: what finds the people or faces that the model looks at: a SavedModel
            has one more signature then, which takes images alone; None: it has not.
        made_of: SHA-256 of a run's weights that are exported; "": of no run.
        shared: what a writer leaves to the others of the same export, so that no work
            is done twice.

    Raises:
        InputError: if the version is no positive number, or weights are something else.
    """

    layout: Literal["NHWC", "NCHW"] = "NHWC"
    calibration: np.ndarray | None = None
    version: int = 1
    samples: Mapping[str, np.ndarray] | None = None
    weights: Weights = "constants"
    detector: Finder | None = None
    made_of: str = ""
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self):
        if self.version < 1:
            raise InputError(f"`version` must be at least 1, got {self.version}.")
        if self.weights not in get_args(Weights):
            raise InputError(
                f"`weights` must be {' or '.join(get_args(Weights))}, got "
                f"{self.weights!r}."
            )

    def images(self, format_name: str) -> np.ndarray:
        """The images for calibration.

        Raises:
            InputError: if there are none.
        """
        if self.calibration is None:
            raise InputError(
                f"{format_name} needs images to measure ranges of numbers on; give a "
                "folder of them (`--calibration FOLDER`, in Python `calibration=`)."
            )
        return self.calibration

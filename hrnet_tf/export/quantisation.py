"""TFLite files with fewer bits, made of float32 ones."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

THREADS = 2  # of the runs that ranges are measured in
INPUT, SIGNATURE = "image", "serving_default"


@dataclass(frozen=True)
class Recipe:
    """How numbers are stored.

    Attributes:
        add: adds it to a `RecipeManager` of `ai_edge_quantizer`.
        calibrated: whether ranges of activations are measured on images.
    """

    add: Callable[[Any], None]
    calibrated: bool = False


def _float16(recipes: Any) -> None:
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    weights = qtyping.TensorQuantizationConfig(
        num_bits=16, dtype=qtyping.TensorDataType.FLOAT
    )
    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=weights,
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    recipes.add_quantization_config(
        ".*",
        qtyping.TFLOperationName.ALL_SUPPORTED,
        config,
        AlgorithmName.FLOAT_CASTING,
    )


def _dynamic_int8(recipes: Any) -> None:
    recipes.add_dynamic_config(".*", "*", num_bits=8)


def _static(activation_bits: int) -> Callable[[Any], None]:
    def add(recipes: Any) -> None:
        recipes.add_static_config(".*", "*", activation_bits, weight_num_bits=8)

    return add


# Weights have a range for each channel, activations one for each tensor: from the
# lowest to the highest number that images brought about.
RECIPES = {
    "float16": Recipe(_float16),
    "dynamic_int8": Recipe(_dynamic_int8),
    "int8": Recipe(_static(8), calibrated=True),
    "int16x8": Recipe(_static(16), calibrated=True),
}


Ranges = dict[str, dict[str, Any]]  # of a file's tensors, by their names


def measure_ranges(content: bytes, images: np.ndarray) -> Ranges:
    """The lowest and the highest number of each tensor of a float32 TFLite file.

    Args:
        content: of the file; its signature takes `image`.
        images: normalised float32 `(n, height, width, 3)`.
    """
    from ai_edge_quantizer.calibrator import CalibrationMode, Calibrator
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    with quiet():
        # By default ranges are moving averages, which cut the peaks of heatmaps.
        calibrator = Calibrator(
            content,
            THREADS,
            CalibrationMode.CALIBRATION_PROFILER_BASED,
            qsv_update_func=min_max_update,
        )
        requests = [{INPUT: image[None]} for image in images]
        calibrator.calibrate({SIGNATURE: requests}, _recipe("int8"))
        return calibrator.get_model_qsvs()


def quantise(content: bytes, kind: str, ranges: Ranges | None) -> bytes:
    """A float32 TFLite file with fewer bits.

    Args:
        content: of the file.
        kind: a name from `RECIPES`: `"float16"` (weights are stored so, numbers are
            computed as before), `"dynamic_int8"` (weights are int8, activations become
            so while it runs), `"int8"` and `"int16x8"` (all is whole numbers, from the
            input to the output; weights are int8).
        ranges: of its tensors, for the last two; see `measure_ranges`.

    Source: Jacob et al., https://arxiv.org/abs/1712.05877, section 2 (affine integers,
    ranges of activations); Krishnamoorthi, https://arxiv.org/abs/1806.08342, section
    3.1 (a range for each channel of weights).

    Example:
        ```python
        small = quantise(Path("model.tflite").read_bytes(), "float16", None)
        ```
    """
    from ai_edge_quantizer.quantizer import Quantizer

    with quiet():
        quantizer = Quantizer(content, _recipe(kind).get_quantization_recipe())
        return bytes(quantizer.quantize(ranges).quantized_model)


def _recipe(kind: str) -> Any:
    from ai_edge_quantizer.recipe_manager import RecipeManager

    recipes = RecipeManager()
    RECIPES[kind].add(recipes)
    return recipes


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without a quantizer's bars and sizes, and its advice about its own settings."""
    talk = io.StringIO()
    with (
        contextlib.redirect_stdout(talk),
        contextlib.redirect_stderr(talk),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", ".*experimental_preserve_all_tensors")
        yield

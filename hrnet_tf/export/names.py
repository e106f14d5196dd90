"""What the formats of exports are called, and what they need."""

from collections.abc import Iterable
from typing import Literal

from hrnet_tf.common.extras import EXTRAS, missing, require, what_to_do

NAMES = (
    "savedmodel",
    "tflite",
    "tflite_float16",
    "tflite_dynamic_int8",
    "tflite_int8",
    "tflite_int16x8",
    "tflite_decoded",
    "onnx",
    "onnx_int8",
    "openvino",
    "openvino_int8",
)

ALL = "all"  # stands for those that a task has

# How a SavedModel holds them.
Weights = Literal["constants", "variables"]

# What one exports without naming formats: the network as it is, for every runtime.
DEFAULTS = ("savedmodel", "tflite", "onnx")

KERAS = "keras"  # the model of a run itself

# What networks run in, each with the formats of a run's exports that it takes, the
# first that is there.
RUNTIMES: dict[str, tuple[str, ...]] = {
    KERAS: (),
    "tensorflow": ("savedmodel",),
    "litert": ("tflite",),
    "onnxruntime": ("onnx",),
    "openvino": ("openvino", "onnx"),
}

# What writing a format takes that not everybody has; see `hrnet_tf.common.extras`.
PACKAGES: dict[str, tuple[str, ...]] = {
    "savedmodel": ("tensorflow_serving",),
    "tflite": ("ai_edge_litert",),
    "tflite_decoded": ("ai_edge_litert",),
    **{
        f"tflite_{kind}": ("ai_edge_litert", "ai_edge_quantizer")
        for kind in ("float16", "dynamic_int8", "int8", "int16x8")
    },
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
    "onnx_int8": ("tf2onnx", "onnx", "onnxruntime"),
    "openvino": ("tf2onnx", "onnx", "openvino"),
    "openvino_int8": ("tf2onnx", "onnx", "openvino", "nncf"),
}

# The extra without which `ALL` stands for the other formats.
SPARED = "openvino"


def require_packages(formats: Iterable[str]) -> None:
    """See that what writes some formats is installed.

    Raises:
        InputError: if it is not; it says what to install.
    """
    kinds = every_format()[0] if ALL in (given := list(formats)) else given
    needed = [name for kind in kinds for name in PACKAGES.get(kind, ())]
    require(needed, "This export")


def every_format() -> tuple[list[str], str]:
    """The formats that `ALL` stands for, where only some packages are installed.

    Returns:
        Their names, and what to say of those that are left out; "": none is.
    """
    lacking = missing(name for name, extra in EXTRAS.items() if extra == SPARED)
    spared = [name for name in NAMES if set(lacking) & set(PACKAGES[name])]
    said = f"{', '.join(spared)}: needs {what_to_do(lacking)}" if spared else ""
    return [name for name in NAMES if name not in spared], said

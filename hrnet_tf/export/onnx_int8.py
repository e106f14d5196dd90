"""Networks to ONNX files that compute in int8, with onnxruntime's quantizer."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.export.onnx import converted, save, with_layout
from hrnet_tf.export.options import Options
from hrnet_tf.tasks.base.manifest import ImageInput, TaskManifest

# All of the body and the heads, but not the products and shares of OCR: softmax over
# all positions gives numbers that are far apart, and most would become 0.
QUANTISED = ("Conv", "Add", "Relu", "Resize", "Concat", "GlobalAveragePool")


def write_onnx_int8(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write an ONNX file with weights and maps in int8; it takes and gives float32.

    Ranges of weights are measured for each channel; those of maps are the mean of what
    each of `options.calibration` reaches, so that a single odd image does not widen
    them. Weights keep to 7 bits: with 8, sums overflow on processors without VNNI,
    unnoticed.

    Raises:
        InputError: if there are no images for calibration.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    images = options.images("onnx_int8")
    manifest = with_layout(manifest, options.layout)
    with tempfile.TemporaryDirectory() as scratch:
        whole, quantised = Path(scratch) / "float32.onnx", Path(scratch) / "int8.onnx"
        network = converted(model, manifest, options)
        # Nothing is left to fold and all shapes are written down already.
        add_pre_process_metadata(network)
        onnx.save(network, str(whole))
        quantization.quantize_static(
            str(whole),
            str(quantised),
            _reader(images, manifest.input),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            reduce_range=True,
            # Signed maps would be no faster than float32: onnxruntime has no kernels.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": True},
        )
        save(onnx.load(quantised), manifest, path)
    return manifest


def _reader(images: np.ndarray, facts: ImageInput) -> object:
    """What onnxruntime takes images from: one at a time, normalised."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = inputs_of(images, facts)

        def get_next(self):
            return next(self.batches, None)

    return Reader()


def inputs_of(images: np.ndarray, facts: ImageInput) -> Iterator[dict[str, np.ndarray]]:
    """Images for calibration as a network takes them, one at a time.

    Args:
        images: uint8 `(n, height, width, 3)`.
        facts: how they are normalised and laid out.
    """
    for image in images:
        given = facts.normalised(tf.constant(image[None]))
        if facts.layout == "NCHW":
            given = tf.transpose(given, (0, 3, 1, 2))
        yield {"image": given.numpy()}

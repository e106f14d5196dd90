"""Networks to OpenVINO's files: a graph, `.xml`, and its weights beside it, `.bin`.

They are made of the graph that an ONNX file holds: of RoIAlign and suppression OpenVINO
has what ONNX has.
"""

from pathlib import Path
from typing import Any

import keras

from hrnet_tf.common.environment import environment
from hrnet_tf.export.onnx import converted, with_layout
from hrnet_tf.export.onnx_int8 import inputs_of
from hrnet_tf.export.options import Options
from hrnet_tf.export.quantisation import quiet
from hrnet_tf.tasks.base.manifest import TaskManifest

METADATA = "manifest"  # the manifest's name inside the file

# NNCF tells its makers who uses what of it, but where this was set before its import.
UNTOLD = "NNCF_CI"

# OCR's products and shares, as in `hrnet_tf.export.onnx_int8`.
KEPT = ("MatMul", "Softmax")


def write_openvino(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write a float32 network; it takes and gives what an ONNX file does."""
    manifest = with_layout(manifest, options.layout)
    _save(_read(converted(model, manifest, options)), manifest, path)
    return manifest


def write_openvino_int8(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write a network with weights and maps in int8; it takes and gives float32.

    Ranges of weights are measured for each channel; those of maps are the widest that
    `options.calibration` brings about, as of TFLite. Weights keep to 7 bits: with 8,
    sums overflow on processors without VNNI, unnoticed.

    Raises:
        InputError: if there are no images for calibration.
    """
    images = options.images("openvino_int8")
    manifest = with_layout(manifest, options.layout)
    graph = _read(converted(model, manifest, options))
    with environment(UNTOLD, "1"), quiet():
        import nncf
        from nncf.quantization.advanced_parameters import OverflowFix
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        graph = nncf.quantize(
            graph,
            nncf.Dataset(list(inputs_of(images, manifest.input))),
            # Signed maps have the lowest number that they reach, not minus the highest.
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(types=list(KEPT), validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=OverflowFix.ENABLE,
                # By default ranges are means, which cut the peaks of heatmaps.
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
            ),
        )
    _save(graph, manifest, path)
    return manifest


def _read(network: Any) -> Any:
    """An `onnx.ModelProto` as an `openvino.Model`."""
    import openvino

    return openvino.Core().read_model(network.SerializeToString())


def _save(graph: Any, manifest: TaskManifest, path: str | Path) -> None:
    """Write both files, with the facts in the graph's."""
    import openvino

    graph.set_rt_info(manifest.as_json(), METADATA)
    # By default weights would be cut to float16.
    openvino.save_model(graph, path, compress_to_fp16=False)

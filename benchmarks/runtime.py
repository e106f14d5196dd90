"""One crop through exported ONNX files, and through `tf.function(model)`.

All answer the same normalised crop in the same process, in turns, with their runtimes'
own settings. The peer of the float32 file is what one has without an export; the peer
of the int8 file is the float32 file. Loading, tracing and the first calls do not count.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.network import make_manifest, make_network
from benchmarks.report import Result
from hrnet_tf.common.latency import median_latency
from hrnet_tf.export.onnx import write_onnx
from hrnet_tf.export.onnx_int8 import write_onnx_int8
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes.runtimes import open_onnx

TARGET = 1.4
TARGET_INT8 = 2.2
ROUNDS = 60
CALIBRATED_ON = 4  # what the ranges are does not change the time


def run() -> list[Result]:
    """Median latencies of one crop."""
    model, manifest = make_network(), make_manifest()
    size = manifest.input.size
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (CALIBRATED_ON, *size, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(model, manifest, path, Options())
        in_float = open_onnx(str(path))
        write_onnx_int8(model, manifest, path, Options(calibration=images))
        in_integers = open_onnx(str(path))
    graph = tf.function(lambda image: model(image, training=False), autograph=False)
    image = rng.standard_normal((1, *size, 3)).astype(np.float32)
    tensor = tf.constant(image)
    times = median_latency(
        {
            # Onnxruntime's threads spin for a while after each call.
            "exported ONNX": lambda: in_float(image),
            "first pause": lambda: time.sleep(0.05),
            "in int8": lambda: in_integers(image),
            "second pause": lambda: time.sleep(0.05),
            "tf.function(model)": lambda: graph(tensor).numpy(),
        },
        ROUNDS,
    )
    plain, int8 = (
        {name: times[name] for name in names}
        for names in (
            ("exported ONNX", "tf.function(model)"),
            ("in int8", "exported ONNX"),
        )
    )
    title = f"one crop, {manifest.model} {size[0]}x{size[1]}"
    return [_faster(title, plain, TARGET), _faster(f"{title}, int8", int8, TARGET_INT8)]


def _faster(title: str, times: dict[str, float], target: float) -> Result:
    """How many times faster the first is than the second."""
    ours, peer = times.values()
    return Result(title, times, "ms", peer / ours, target)

"""One crop through TFLite files and through ONNX in onnxruntime.

All are exports of the same network, open at once in processes of their own that take
turns, with two threads each. Loading and the first calls do not count.
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.network import SIZE, make_manifest, make_network
from benchmarks.report import Result
from hrnet_tf.export.benchmark import BATCH, measure_latency
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.options import Options
from hrnet_tf.images.preprocess import preprocess_input

MEASURED = ("onnx", "tflite", "tflite_int8")
# At most 1.25 times onnxruntime's latency; with integers at least twice as fast.
TARGETS = {"TFLite and onnxruntime": 0.8, "int8 and float32": 2.0}
ROUNDS = 12
THREADS = 2


def run() -> list[Result]:
    """Median latencies of one crop."""
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (BATCH, *SIZE, 3), np.uint8)
    model, manifest = make_network(), make_manifest()
    options = Options(calibration=crops)
    with tempfile.TemporaryDirectory() as folder:
        places = {}
        for name in MEASURED:
            places[name] = Path(folder) / FORMATS[name].file_name
            FORMATS[name].write(model, manifest, places[name], options)
        images = preprocess_input(crops).numpy()
        found = measure_latency(places, images, THREADS, ROUNDS, progress=False)
    onnx, tflite, integers = (found[name]["median_ms"] for name in MEASURED)
    return [
        _result("TFLite and onnxruntime", {"onnxruntime": onnx, "TFLite": tflite}),
        _result("int8 and float32", {"float32": tflite, "int8": integers}),
    ]


def _result(title: str, times: dict[str, float]) -> Result:
    peer, ours = times.values()
    return Result(title, times, "ms", peer / ours, TARGETS[title])

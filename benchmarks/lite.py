"""Lite-HRNet beside the smallest and the usual network for pose, in three runtimes.

All are exports, open at once in processes of their own that take turns, with two
threads each; each looks at one crop of 256x192. Loading and the first calls do not
count. The ratios are of the usual network, width 32, and of Lite-HRNet-18.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import hrnet_tf
from benchmarks.network import SIZE, make_manifest, make_network
from benchmarks.report import Result
from hrnet_tf.export.benchmark import BATCH, measure_latency
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.options import Options
from hrnet_tf.images.preprocess import preprocess_input

NETWORKS = {
    "LiteHRNet 18": (hrnet_tf.LiteHRNet, 18),
    "LiteHRNet 30": (hrnet_tf.LiteHRNet, 30),
    "HRNetV1 18_small_v1": (hrnet_tf.HRNetV1, "18_small_v1"),
    "HRNetV1 18_small_v2": (hrnet_tf.HRNetV1, "18_small_v2"),
    "HRNetV1 32": (hrnet_tf.HRNetV1, 32),
}
RUNTIMES = {"tflite": "TFLite", "onnx": "onnxruntime", "savedmodel": "SavedModel"}
# How many times faster than width 32 is asked for: twice on phones, else no slower.
TARGETS = {"tflite": 2.0, "onnx": 1.0, "savedmodel": 1.0}
ROUNDS = 8
THREADS = 2


def run() -> list[Result]:
    """Median latencies of one crop."""
    with tempfile.TemporaryDirectory() as scratch:
        return measure(write_exports(Path(scratch)))


def write_exports(folder: Path) -> dict[str, dict[str, Path]]:
    """Every network for every runtime: by runtime and network, where it is."""
    places: dict[str, dict[str, Path]] = {name: {} for name in RUNTIMES}
    for number, (title, (build, width)) in enumerate(NETWORKS.items()):
        model, manifest = make_network(width, build=build), make_manifest(width)
        for name in RUNTIMES:
            file = FORMATS[name].file_name.format(version=1)
            place = places[name][title] = folder / str(number) / name / file
            place.parent.mkdir(parents=True)
            FORMATS[name].write(model, manifest, place, Options())
    return places


def measure(places: Mapping[str, Mapping[str, Path]]) -> list[Result]:
    """Latencies of what `write_exports` has written."""
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (BATCH, *SIZE, 3), np.uint8)
    images = preprocess_input(crops).numpy()
    results = []
    for name, runtime in RUNTIMES.items():
        found = measure_latency(places[name], images, THREADS, ROUNDS, progress=False)
        times = {title: facts["median_ms"] for title, facts in found.items()}
        ratio = times["HRNetV1 32"] / times["LiteHRNet 18"]
        title = f"one crop, {runtime}"
        results.append(Result(title, times, "ms", ratio, TARGETS[name]))
    return results

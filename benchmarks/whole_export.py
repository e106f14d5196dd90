"""All that `hrnet-tf export` does for the largest network of pose, in CPU seconds.

HRNetV1 W48 for 384x288 is written as SavedModel, TFLite and ONNX, each asked in a
process of its own and compared with the model. The seconds are those of all threads and
of these processes; building the model and imports here do not count.

`python -m benchmarks.whole_export` is the process that is measured.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.report import Result

WIDTH, SIZE = 48, (384, 288)
TARGET = 90.0


def run() -> list[Result]:
    """CPU seconds of the whole export."""
    command = [sys.executable, "-m", "benchmarks.whole_export"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = float(done.stdout.split()[-1])
    title = f"W{WIDTH} {SIZE[0]}x{SIZE[1]}, written and compared"
    return [Result(title, {"export": seconds}, "CPU s", seconds, TARGET, False)]


def main() -> None:
    """Build the model, export it, and print the CPU seconds of the export."""
    import tensorflow as tf

    from benchmarks.network import make_manifest, make_network
    from hrnet_tf.export.artefacts import export_model, targets_of
    from hrnet_tf.export.names import DEFAULTS
    from hrnet_tf.export.options import Options

    model, manifest = make_network(WIDTH, SIZE), make_manifest(WIDTH, SIZE)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (4, *SIZE, 3), np.uint8)
    samples = {
        "crops": crops,
        "image_bytes": np.frombuffer(tf.io.encode_png(crops[0]).numpy(), np.uint8),
        "boxes": np.array([[0, 0, *SIZE[::-1]]], np.float32),
    }
    options = Options()
    with tempfile.TemporaryDirectory() as folder:
        targets = targets_of(DEFAULTS, Path(folder), options)
        before = cpu_seconds()
        export_model(model, manifest, samples, targets, options)
    print(cpu_seconds() - before)


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()

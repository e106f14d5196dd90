"""Exports, and how one would make the same files of the same model without hrnet_tf.

The peers are Keras's `model.export`, `tf.lite.TFLiteConverter.from_keras_model` and
`tf2onnx.convert.from_keras`, all with their own settings. Each export runs in a process
of its own and is measured in CPU seconds of all its threads. Imports and building the
model do not count, nor does asking the file afterwards whether it answers as the model
does, which only `hrnet-tf export` does.

`python -m benchmarks.export SIDE FORMAT` is one such process.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Result

SIDES = {"ours": "hrnet_tf", "peer": "peer"}
TARGETS = {"savedmodel": 8.0, "tflite": 8.0, "onnx": 2.0}


def run() -> list[Result]:
    """CPU seconds of each format on both sides."""
    results = []
    for format_name, target in TARGETS.items():
        seconds = {}
        for side in SIDES:
            print(f"  {format_name}, {side} ...", flush=True)
            seconds[side] = in_a_process(side, format_name)
        named = {
            "hrnet_tf": seconds["ours"],
            PEERS[format_name][0]: seconds["peer"],
        }
        ratio = seconds["peer"] / seconds["ours"]
        results.append(Result(format_name, named, "CPU s", ratio, target))
    return results


def in_a_process(side: str, format_name: str) -> float:
    """CPU seconds of one export in a process that does nothing else."""
    command = [sys.executable, "-m", "benchmarks.export", side, format_name]
    root = Path(__file__).parents[1]
    process = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{process.stderr[-2000:]}")
    return float(process.stdout.splitlines()[-1])


def main(side: str, format_name: str) -> None:
    """Build the model, export it, and print the CPU seconds of the export."""
    import tensorflow as tf
    import tf2onnx  # noqa: F401  (ours would import it while it is measured)

    from benchmarks.network import make_manifest, make_network
    from hrnet_tf.export.formats import FORMATS
    from hrnet_tf.export.options import Options

    tf.lite.TFLiteConverter  # noqa: B018  (TensorFlow imports it when it is named)
    model, manifest = make_network(), make_manifest()
    chosen = FORMATS[format_name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "artefact"
        start = time.process_time()
        if side == "ours":
            chosen.write(model, manifest, path, Options())
        else:
            PEERS[format_name][1](model, path)
        seconds = time.process_time() - start
    print(seconds)


def keras_savedmodel(model, path: Path) -> None:
    """Write a SavedModel as Keras does."""
    from hrnet_tf.common.compat import KERAS_3

    settings = {"format": "tf_saved_model", "verbose": False} if KERAS_3 else {}
    model.export(str(path), **settings)


def keras_tflite(model, path: Path) -> None:
    """Write a TFLite file as TensorFlow's guide does."""
    import tensorflow as tf

    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def keras_onnx(model, path: Path) -> None:
    """Write an ONNX file as tf2onnx's guide does."""
    import tensorflow as tf
    import tf2onnx

    from hrnet_tf.export.onnx import OPSET

    image = tf.TensorSpec(model.input_shape, tf.float32, "image")
    tf2onnx.convert.from_keras(
        model, input_signature=[image], opset=OPSET, output_path=str(path)
    )


PEERS: dict[str, tuple[str, Callable]] = {
    "savedmodel": ("model.export", keras_savedmodel),
    "tflite": ("TFLiteConverter.from_keras_model", keras_tflite),
    "onnx": ("tf2onnx.convert.from_keras", keras_onnx),
}


if __name__ == "__main__":
    main(*sys.argv[1:])

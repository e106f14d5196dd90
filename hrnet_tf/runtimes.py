"""Exported networks in the runtimes that they are made for.

This file needs nothing of hrnet_tf. Run as a script it answers for an artefact in a
process that has never seen Keras or this package:

    python runtimes.py ARTEFACT INPUTS.npz OUTPUTS.npz
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

# Normalised images, float32 (n, height, width, 3), to heatmaps (n, h, w, keypoints).
Runtime = Callable[[np.ndarray], np.ndarray]


def open_savedmodel(path: str) -> Runtime:
    """Open a SavedModel folder; its signature `serving_default` answers."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]

    def run(images: np.ndarray, owner: object = loaded) -> np.ndarray:  # keeps it alive
        return serve(image=tf.constant(images))["heatmaps"].numpy()

    return run


def open_tflite(path: str, threads: int | None = None) -> Runtime:
    """Open a TFLite file, one image at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]

    def run(images: np.ndarray) -> np.ndarray:
        answers = []
        for image in images:
            interpreter.set_tensor(source, image[None])
            interpreter.invoke()
            answers.append(interpreter.get_tensor(target))
        return np.concatenate(answers)

    return run


def open_onnx(path: str) -> Runtime:
    """Open an ONNX file on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["heatmaps"], {"image": images})[0]


RUNTIMES = {".tflite": open_tflite, ".onnx": open_onnx}


def open_artefact(path: str | Path) -> Runtime:
    """Open an artefact by what it is: a SavedModel folder, or a file by its ending."""
    return RUNTIMES.get(Path(path).suffix, open_savedmodel)(str(path))


def call_keypoints(
    path: str, image_bytes: bytes, boxes: np.ndarray
) -> dict[str, np.ndarray]:
    """Ask a SavedModel's signature `keypoints` for the people in an encoded image."""
    import tensorflow as tf

    serve = tf.saved_model.load(path).signatures["keypoints"]
    answer = serve(
        image_bytes=tf.constant(image_bytes), boxes=tf.constant(boxes, tf.float32)
    )
    return {name: value.numpy() for name, value in answer.items()}


def main(artefact: str, inputs: str, outputs: str) -> None:
    """Answer for an artefact: heatmaps and, for a SavedModel, keypoints too."""
    given = np.load(inputs)
    answers = {"heatmaps": open_artefact(artefact)(given["images"])}
    if Path(artefact).is_dir():
        answers |= call_keypoints(
            artefact, given["image_bytes"].tobytes(), given["boxes"]
        )
    np.savez(outputs, **answers)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])

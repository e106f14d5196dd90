"""Exported networks in the runtimes that they are made for.

This file needs nothing of hrnet_tf. Run as a script it answers for an artefact in a
process that has never seen Keras or this package:

    python runtimes.py ARTEFACT SIGNATURE INPUTS.npz OUTPUTS.npz
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# Normalised images, float32 (n, height, width, 3), to outputs by name.
Runtime = Callable[[np.ndarray], dict[str, np.ndarray]]

# A SavedModel's copy of its manifest, in its folder.
OWN_MANIFEST = Path("assets.extra", "manifest.json")


def open_savedmodel(path: str) -> Runtime:
    """Open a SavedModel folder; its signature `serving_default` answers."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]

    def run(
        images: np.ndarray,
        owner: object = loaded,  # keeps it alive
    ) -> dict[str, np.ndarray]:
        answer = serve(image=tf.constant(images))
        return {name: value.numpy() for name, value in answer.items()}

    return run


def open_tflite(path: str, threads: int | None = None) -> Runtime:
    """Open a TFLite file, one image at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    signature = interpreter.get_signature_runner("serving_default")
    targets = {
        name: details["index"]
        for name, details in signature.get_output_details().items()
    }

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        answers: dict[str, list[np.ndarray]] = {name: [] for name in targets}
        for image in images:
            interpreter.set_tensor(source, image[None])
            interpreter.invoke()
            for name, index in targets.items():
                answers[name].append(interpreter.get_tensor(index))
        return {name: np.concatenate(parts) for name, parts in answers.items()}

    return run


def open_onnx(path: str) -> Runtime:
    """Open an ONNX file on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, {"image": images}), strict=True))

    return run


RUNTIMES = {".tflite": open_tflite, ".onnx": open_onnx}


def open_artefact(path: str | Path) -> Runtime:
    """Open an artefact by what it is: a SavedModel folder, or a file by its ending."""
    return RUNTIMES.get(Path(path).suffix, open_savedmodel)(str(path))


def call_signature(
    path: str, name: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Ask another signature of a SavedModel; inputs as for `as_tensor`."""
    import tensorflow as tf

    serve = tf.saved_model.load(path).signatures[name]
    given = {key: as_tensor(key, value) for key, value in inputs.items()}
    answers = {key: value.numpy() for key, value in serve(**given).items()}
    # Names as fixed bytes: arrays of objects cannot be stored.
    return {k: v.astype(bytes) if v.dtype == object else v for k, v in answers.items()}


def as_tensor(name: str, value: np.ndarray) -> Any:
    """A signature's input.

    Args:
        name: of the input.
        value: `image_bytes` may be uint8, the content of one file.
    """
    import tensorflow as tf

    one_file = name == "image_bytes" and value.dtype == np.uint8
    return tf.constant([value.tobytes()] if one_file else value)


def main(artefact: str, signature: str, inputs: str, outputs: str) -> None:
    """Answer for an artefact; a SavedModel answers by its other signature too.

    Of the inputs `images` go into the network, all others into that signature.
    """
    given = dict(np.load(inputs))
    answers = open_artefact(artefact)(given.pop("images"))
    if Path(artefact).is_dir():
        answers |= call_signature(artefact, signature, given)
    np.savez(outputs, **answers)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Exported networks in the runtimes that they are made for.

This file needs nothing of hrnet_tf. Run as a script it answers for an artefact in a
process that has never seen Keras or this package:

    python runtimes.py ARTEFACT SIGNATURE INPUTS.npz OUTPUTS.npz
"""

import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Normalised images, float32 (n, height, width, 3), to outputs by name.
Runtime = Callable[[np.ndarray], dict[str, np.ndarray]]
# Opens a file, for so many CPU threads; None: as many as it likes.
Opener = Callable[[str, int | None], Runtime]

# In the environment of a process in which no weight ever changes: oneDNN keeps
# variables in the order that its kernels want, as it does with constants. A process
# that trains would go on with the weights of its first step.
FROZEN_WEIGHTS = {"TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"}

# Where OpenVINO has the manifest: of a file of its own, of an ONNX file.
OPENVINO_FACTS = (["manifest"], ["framework", "manifest"])

# A SavedModel's copy of its manifest, in its folder.
OWN_MANIFEST = Path("assets.extra", "manifest.json")


def limit_tensorflow(threads: int | None) -> None:
    """Use so many CPU threads; before TensorFlow has computed anything."""
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def open_savedmodel(path: str, threads: int | None = None) -> Runtime:
    """Open a SavedModel folder; its signature `serving_default` answers."""
    import tensorflow as tf

    limit_tensorflow(threads)
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
    """Open a TFLite file, one image at a time; it may take and give integers."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    signature = interpreter.get_signature_runner("serving_default")
    targets = signature.get_output_details()

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        answers: dict[str, list[np.ndarray]] = {name: [] for name in targets}
        for image in images:
            interpreter.set_tensor(source["index"], _to_integers(image[None], source))
            interpreter.invoke()
            for name, target in targets.items():
                answer = interpreter.get_tensor(target["index"])
                answers[name].append(_from_integers(answer, target))
        return {name: np.concatenate(parts) for name, parts in answers.items()}

    return run


def _to_integers(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    scale, zero_point = tensor["quantization"]
    if not scale:
        return values
    limits = np.iinfo(tensor["dtype"])
    whole = np.round(values / scale + zero_point)
    return np.clip(whole, limits.min, limits.max).astype(tensor["dtype"])


def _from_integers(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    scale, zero_point = tensor["quantization"]
    if not scale:
        return values
    return (values.astype(np.float32) - zero_point) * np.float32(scale)


def open_onnx(path: str, threads: int | None = None) -> Runtime:
    """Open an ONNX file on the CPU; one with channels first is asked as it expects."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    manifest = session.get_modelmeta().custom_metadata_map.get("manifest", "{}")
    one_by_one = session.get_inputs()[0].shape[0] == 1

    def answers(images: np.ndarray) -> list[np.ndarray]:
        return session.run(names, {"image": images})

    return _laid_out(answers, names, json.loads(manifest), one_by_one)


def open_openvino(path: str, threads: int | None = None) -> Runtime:
    """Open OpenVINO's files, or an ONNX file, on the CPU; asked as it expects.

    Left to itself OpenVINO computes in bfloat16 where a processor has that.
    """
    import openvino

    core = openvino.Core()
    graph = core.read_model(path)
    places = [place for place in OPENVINO_FACTS if graph.has_rt_info(place)]
    facts = json.loads(graph.get_rt_info(places[0]).astype(str)) if places else {}
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(graph, "CPU", settings)
    names = [output.any_name for output in compiled.outputs]
    one_by_one = compiled.input(0).partial_shape[0] == 1
    taken = threading.Lock()  # it answers one request at a time

    def answers(images: np.ndarray) -> list[np.ndarray]:
        with taken:
            found = compiled({"image": images})
            return [found[name] for name in names]

    return _laid_out(answers, names, facts, one_by_one)


def _laid_out(
    answers: Callable[[np.ndarray], list[np.ndarray]],
    names: Sequence[str],
    facts: dict[str, Any],
    one_by_one: bool,
) -> Runtime:
    """A runtime that takes and gives channels last.

    Args:
        answers: gives what a file answers, in the order of the names.
        names: of its outputs.
        facts: its manifest, which says how it is laid out.
        one_by_one: whether it takes one image at a time.
    """
    channels_first = facts.get("input", {}).get("layout") == "NCHW"
    maps_too = facts.get("output", {}).get("layout") == "NCHW"

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        if channels_first:
            images = images.transpose(0, 3, 1, 2)
        parts = images[:, None] if one_by_one else [images]
        each = [answers(part) for part in parts]
        found = [np.concatenate(own) for own in zip(*each, strict=True)]
        if maps_too:
            found = [x.transpose(0, 2, 3, 1) if x.ndim == 4 else x for x in found]
        return dict(zip(names, found, strict=True))

    return run


# What opens files, by their endings, and a SavedModel's folder: runtimes by their
# names, the first of which does unless another is asked for.
RUNTIMES: dict[str, dict[str, Opener]] = {
    ".tflite": {"litert": open_tflite},
    ".onnx": {"onnxruntime": open_onnx, "openvino": open_openvino},
    ".xml": {"openvino": open_openvino},
}
OF_FOLDERS: dict[str, Opener] = {"tensorflow": open_savedmodel}


def open_artefact(
    path: str | Path, threads: int | None = None, runtime: str | None = None
) -> Runtime:
    """Open an artefact by what it is: a SavedModel folder, or a file by its ending.

    Args:
        path: of it.
        threads: of the CPU; None: as many as the runtime likes.
        runtime: one that opens it; None: the usual one.
    """
    openers = runtimes_of(path)
    return openers[runtime or next(iter(openers))](str(path), threads)


def runtimes_of(path: str | Path) -> dict[str, Opener]:
    """What opens an artefact, by the runtimes' names, the usual one first."""
    return RUNTIMES.get(Path(path).suffix, OF_FOLDERS)


def call_signature(
    path: str, name: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Ask a signature of a SavedModel; inputs as for `as_tensor`."""
    import tensorflow as tf

    return _ask(tf.saved_model.load(path), name, inputs)


def _ask(
    loaded: Any, name: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    serve = loaded.signatures[name]
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

    Of the inputs `images` go into the network, all others into that signature, if it
    has a name. What both call the same is `SIGNATURE/NAME` of that signature.
    """
    given = dict(np.load(inputs))
    images = given.pop("images")
    if Path(artefact).is_dir():
        import tensorflow as tf

        loaded = tf.saved_model.load(artefact)
        answers = _ask(loaded, "serving_default", {"image": images})
        if signature:
            for name, value in _ask(loaded, signature, given).items():
                answers[f"{signature}/{name}" if name in answers else name] = value
    else:
        answers = open_artefact(artefact)(images)
    np.savez(outputs, **answers)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])

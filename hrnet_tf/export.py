"""Trained networks to SavedModel, TFLite and ONNX, each proven equal to the model."""

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from hrnet_tf import runtimes
from hrnet_tf.compat import without_calls
from hrnet_tf.errors import InputError
from hrnet_tf.fold import StandIns, constant_graph, fold
from hrnet_tf.manifest import Manifest, PoseManifest, TaskManifest
from hrnet_tf.preprocess import preprocess_input
from hrnet_tf.run import Run, write_arrays
from hrnet_tf.serving import Signature, signature_of

logger = logging.getLogger(__name__)

# The largest difference from the Keras model, as a share of the heatmaps' range.
TOLERANCE = 1e-3
OPSET = 18


class ExportError(InputError):
    """An artefact that does not answer as the model does."""


def write_savedmodel(
    model: keras.Model, manifest: TaskManifest, path: str | Path
) -> None:
    """Write a SavedModel folder with two signatures.

    `serving_default` takes `image`, normalised float32 images `(n, height, width, 3)`,
    any number of them, and gives `heatmaps` or `logits`. The other one takes
    `image_bytes`, an encoded JPEG or PNG: `keypoints` takes `boxes` too, float32
    `(people, 4)`, and gives `keypoints` and `scores` in pixels of that image;
    `classify` gives `probabilities` and a `label`, `segment` gives `labels` and
    `confidence` of every pixel, `regress` gives their `values`.
    """
    image = tf.TensorSpec((None, *manifest.input.shape, 3), tf.float32, "image")
    stand_ins = StandIns()
    folded = fold(model, stand_ins.constant)
    name, signature = manifest.output.name, signature_of(manifest)
    answer = constant_graph(lambda image: {name: folded(image)}, image)
    # Calling the first graph, the second shares its weights.
    serve = signature.make(lambda images: answer(images)[name], manifest)
    signatures = {
        "serving_default": answer,
        signature.name: constant_graph(serve, *signature.inputs),
    }
    tf.saved_model.save(tf.Module(), str(path), signatures=signatures)
    saved = Path(path) / "saved_model.pb"
    content = saved_model_pb2.SavedModel.FromString(saved.read_bytes())
    stand_ins.fill_in(content.meta_graphs[0].graph_def)
    saved.write_bytes(content.SerializeToString())
    (Path(path) / "fingerprint.pb").unlink(missing_ok=True)  # of the stand-ins


def write_tflite(model: keras.Model, manifest: TaskManifest, path: str | Path) -> None:
    """Write a TFLite file: one normalised image, built-in operations."""
    image = tf.TensorSpec((1, *manifest.input.size, 3), tf.float32, "image")
    stand_ins = StandIns()
    graph = constant_graph(fold(model, stand_ins.constant), image)
    definition = graph.graph.as_graph_def()
    stand_ins.fill_in(definition)
    # TensorFlow 1's converter takes the graph as it is; the newer one would save and
    # load it first, which takes twice as long.
    converter = tf.compat.v1.lite.TFLiteConverter(
        definition, graph.inputs, graph.outputs
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.exclude_conversion_metadata = True  # writing it takes a second
    Path(path).write_bytes(_with_signature(converter.convert(), manifest.output.name))


def write_onnx(model: keras.Model, manifest: TaskManifest, path: str | Path) -> None:
    """Write an ONNX file: normalised images `image`, any number of them."""
    import tf2onnx

    image = tf.TensorSpec((None, *manifest.input.shape, 3), tf.float32, "image")
    graph = without_calls(constant_graph(fold(model), image))
    (given,), (answered,) = graph.inputs, graph.outputs
    with _environment("TF2ONNX_CATCH_ERRORS", "FALSE"):  # no copy before each change
        tf2onnx.convert.from_graph_def(
            graph.graph.as_graph_def(),
            name=model.name,
            input_names=[given.name],
            output_names=[answered.name],
            tensors_to_rename={
                given.name: "image",
                answered.name: manifest.output.name,
            },
            opset=OPSET,
            output_path=str(path),
        )


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


Writer = Callable[[keras.Model, TaskManifest, Path], None]
FORMATS: dict[str, tuple[str, Writer]] = {
    "savedmodel": ("savedmodel", write_savedmodel),
    "tflite": ("model.tflite", write_tflite),
    "onnx": ("model.onnx", write_onnx),
}


def export_run(
    folder: str | Path,
    formats: Sequence[str] = tuple(FORMATS),
    out: str | Path | None = None,
) -> dict[str, Path]:
    """Export a run's best weights; what does not answer as the model does is not kept.

    Args:
        folder: the run.
        formats: names from `FORMATS`.
        out: where to write; by default `export/` in the run's folder.

    Returns:
        The artefact of each format; its manifest lies beside it, `.json` added to its
        name.

    Raises:
        InputError: if there is no such run, it has no weights, a format is unknown,
            or `out` holds an export already (in the run's own folder it is replaced).
        ExportError: if an artefact differs from the model by more than `TOLERANCE`.

    Example:
        ```python
        export_run("saved_models/demo", ["tflite"])  # {"tflite": Path(...)}
        ```
    """
    run = Run.open(folder)
    own = run.folder / "export"
    out = Path(out) if out else own
    check_targets(formats, out, replace=out.resolve() == own.resolve())
    manifest = Manifest.read(run.manifest)
    return export_model(run.model(), manifest, np.load(run.samples), formats, out)


def export_model(
    model: keras.Model,
    manifest: TaskManifest,
    samples: Mapping[str, np.ndarray],
    formats: Sequence[str],
    out: Path,
) -> dict[str, Path]:
    """Export a network that no run holds; what is there already is replaced.

    Args:
        model: takes normalised images.
        manifest: its facts.
        samples: what artefacts are compared on; see `compare`.
        formats: names from `FORMATS`.
        out: where to write.

    Returns:
        As `export_run`.

    Raises:
        ExportError: if an artefact differs from the model by more than `TOLERANCE`.
    """
    out.mkdir(parents=True, exist_ok=True)
    done = {}
    for name in formats:
        file_name, write = FORMATS[name]
        target = out / file_name
        with tempfile.TemporaryDirectory(dir=out, prefix=".writing_") as scratch:
            fresh = Path(scratch) / file_name
            logger.info("writing %s", target)
            write(model, manifest, fresh)
            facts = _fixed_size(manifest) if name == "tflite" else manifest
            difference = compare(fresh, model, facts, samples)
            _replace(fresh, target)
        facts.write(target.with_name(f"{file_name}.json"))
        logger.info("%s equals the model to %.1e of its range", target, difference)
        done[name] = target
    return done


def _fixed_size(manifest: TaskManifest) -> Any:
    """A manifest of an artefact that takes the input's size alone."""
    return replace(manifest, input=replace(manifest.input, any_size=False))


def check_targets(formats: Sequence[str], out: Path, *, replace: bool) -> None:
    """Raise an InputError for an unknown format, or for one that is there already.

    Args:
        formats: names from `FORMATS`.
        out: where they would be written.
        replace: whether what is there may be replaced.
    """
    for name in formats:
        if name not in FORMATS:
            raise InputError(
                f"`formats` must be a list of {', '.join(FORMATS)}, got {name!r}."
            )
        target = out / FORMATS[name][0]
        if target.exists() and not replace:
            raise InputError(f"{target} is there already; choose another --out.")


def compare(
    artefact: Path,
    model: keras.Model,
    manifest: TaskManifest,
    samples: Mapping[str, np.ndarray],
) -> float:
    """Ask an artefact in a fresh process, and the model here.

    Args:
        artefact: file or folder.
        model: what it was made from.
        manifest: its facts.
        samples: `crops` (uint8), and what the task's signature takes (`image_bytes` as
            uint8); see `Run.samples`.

    Returns:
        The largest difference between the networks' answers, as a share of their range.

    Raises:
        ExportError: if it is too large, or the artefact does not run.
    """
    crops = samples["crops"]
    if manifest.input.any_size:  # what fits at odd sizes fits at all
        crops = crops[:, :-3, :-5]
    images = preprocess_input(crops, manifest.input.mean, manifest.input.std)
    expected = model(images, training=False).numpy()
    signature, name = signature_of(manifest), manifest.output.name
    given = {spec.name: samples[spec.name] for spec in signature.inputs}
    inputs = {"images": images.numpy(), **given}
    answers = ask_in_fresh_process(artefact, signature, inputs)
    scale = float(np.ptp(expected)) or 1.0
    difference = _difference(expected, answers.pop(name)) / scale
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{artefact.name} differs from the model by {difference:.1e} of its range "
            f"on real images, more than {TOLERANCE:.0e}; it was removed."
        )
    if answers:
        serve = signature.make(lambda images: model(images, training=False), manifest)
        encoded = tf.constant(given.pop("image_bytes").tobytes())
        wanted = serve(encoded, **{k: tf.constant(value) for k, value in given.items()})
        allowed = {
            "scores": TOLERANCE * scale,
            "probabilities": TOLERANCE,
            "confidence": TOLERANCE,
            "values": TOLERANCE * scale,
        }
        if isinstance(manifest, PoseManifest):
            # Between two equal neighbours rounding decides, by half a cell.
            largest = float(given["boxes"][:, 2:].max()) * manifest.decoding.padding
            allowed["keypoints"] = largest / min(manifest.output.size)
        for key in allowed.keys() & wanted.keys():
            found = _difference(wanted[key].numpy(), answers[key])
            if not found <= allowed[key]:
                raise ExportError(
                    f"The {key} of {artefact.name} differ from the model's by "
                    f"{found:.2g}, more than {allowed[key]:.2g}; it was removed."
                )
    return difference


def ask_in_fresh_process(
    artefact: Path, signature: Signature, inputs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Run an artefact in a process that has not loaded this package.

    Raises:
        ExportError: if that process fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        given, taken = Path(scratch) / "inputs.npz", Path(scratch) / "outputs.npz"
        write_arrays(given, inputs)
        command = [
            sys.executable,
            runtimes.__file__,
            str(artefact),
            signature.name,
            str(given),
            str(taken),
        ]
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        process = subprocess.run(command, capture_output=True, text=True, env=quiet)
        if process.returncode:
            raise ExportError(
                f"{artefact.name} does not run; it was removed. "
                f"{process.stderr[-2000:]}"
            )
        return dict(np.load(taken))


def _with_signature(content: bytes, output: str) -> bytes:
    """A TFLite file with names for what it takes, `image`, and gives."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated

    model = schema_py_generated.ModelT.InitFromPackedBuf(content)

    def named(name: str, index: int) -> Any:
        tensor = schema_py_generated.TensorMapT()
        tensor.name, tensor.tensorIndex = name, int(index)
        return tensor

    (graph,) = model.subgraphs
    signature = schema_py_generated.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.inputs = [named("image", graph.inputs[0])]
    signature.outputs = [named(output, graph.outputs[0])]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _difference(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest one; infinite for other shapes, and for what is no number."""
    if expected.shape != found.shape:
        return float("inf")
    return float(np.nan_to_num(np.abs(expected - found), nan=np.inf).max(initial=0.0))


def _replace(fresh: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(fresh, target)

"""Exported networks against the models that they were made from."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from hrnet_tf import runtimes
from hrnet_tf.errors import InputError
from hrnet_tf.export.formats import TOLERANCE
from hrnet_tf.export.requests import request_of
from hrnet_tf.manifest import PoseManifest, TaskManifest
from hrnet_tf.preprocess import preprocess_input
from hrnet_tf.run import write_arrays
from hrnet_tf.serving.signatures import Signature, serving_function, signature_of


class ExportError(InputError):
    """An artefact that does not answer as the model does."""


@dataclass(frozen=True)
class Comparison:
    """What an artefact was asked, what it answered, and how far off that is.

    Attributes:
        difference: the largest between the networks' answers, as a share of their
            range.
        inputs: by name: `images`, normalised, for the network, and what the task's
            signature takes.
        answers: by name, of the network and of that signature.
    """

    difference: float
    inputs: dict[str, np.ndarray]
    answers: dict[str, np.ndarray]


def compare(
    artefact: Path,
    model: keras.Model,
    manifest: TaskManifest,
    samples: Mapping[str, np.ndarray],
    tolerance: float | None = TOLERANCE,
) -> Comparison:
    """Ask an artefact in a fresh process, and the model here.

    Args:
        artefact: file or folder.
        model: what it was made from.
        manifest: the artefact's facts.
        samples: `crops` (uint8), and what `request_of` takes; see `Run.samples`.
        tolerance: the largest difference allowed, as a share of the range; None: any.

    Raises:
        ExportError: if it is larger, or the artefact does not run.
    """
    crops = samples["crops"]
    if manifest.input.any_size:  # what fits at odd sizes fits at all
        crops = crops[:, :-3, :-5]
    images = preprocess_input(crops, manifest.input.mean, manifest.input.std)
    expected = model(images, training=False).numpy()
    signature, name = signature_of(manifest), manifest.output.name
    given = request_of(manifest, samples)
    inputs = {"images": images.numpy(), **given}
    answers = ask_in_fresh_process(artefact, signature, inputs)
    scale = float(np.ptp(expected)) or 1.0
    difference = largest_difference(expected, answers[name]) / scale
    allowed = np.finfo(np.float32).max if tolerance is None else tolerance
    if not difference <= allowed:
        raise ExportError(
            f"{_title(artefact)} differs from the model by {difference:.1e} of its "
            f"range on real images, more than {allowed:.0e}; it was removed."
        )
    if answers.keys() != {name}:
        _compare_served(artefact, model, manifest, given, answers, scale)
    return Comparison(difference, inputs, answers)


def _compare_served(
    artefact: Path,
    model: keras.Model,
    manifest: TaskManifest,
    given: dict[str, np.ndarray],
    answers: dict[str, np.ndarray],
    scale: float,
) -> None:
    """Raise an ExportError if the signature of encoded images answers otherwise."""
    serve = serving_function(lambda images: model(images, training=False), manifest)
    wanted = serve(*(runtimes.as_tensor(*pair) for pair in given.items()))
    allowed = {
        "scores": TOLERANCE * scale,
        "probabilities": TOLERANCE,
        "confidence": TOLERANCE,
        "values": TOLERANCE * scale,
        "size": 0,
    }
    if isinstance(manifest, PoseManifest):
        # Between two equal neighbours rounding decides, by half a cell.
        largest = float(given["boxes"][..., 2:].max()) * manifest.decoding.padding
        allowed["keypoints"] = largest / min(manifest.output.size)
    for key in allowed.keys() & wanted.keys():
        found = largest_difference(wanted[key].numpy(), answers[key])
        if not found <= allowed[key]:
            raise ExportError(
                f"The {key} of {_title(artefact)} differ from the model's by "
                f"{found:.2g}, more than {allowed[key]:.2g}; it was removed."
            )


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
                f"{_title(artefact)} does not run; it was removed. "
                f"{process.stderr[-2000:]}"
            )
        return dict(np.load(taken))


def largest_difference(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest one; infinite for other shapes, and for what is no number."""
    if expected.shape != found.shape:
        return float("inf")
    return float(np.nan_to_num(np.abs(expected - found), nan=np.inf).max(initial=0.0))


def _title(artefact: Path) -> str:
    return f"SavedModel {artefact.name}" if artefact.is_dir() else artefact.name

"""Exported networks against the models that they were made from."""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hrnet_tf.common.arrays import write_arrays
from hrnet_tf.common.errors import InputError
from hrnet_tf.export.formats import TOLERANCE, Format
from hrnet_tf.export.processes import runtimes
from hrnet_tf.export.requests import request_of
from hrnet_tf.export.signatures import (
    decode,
    decoder_of,
    image_spec,
    outputs_of,
    serving_function,
    signature_of,
)
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.tasks.base.serving import Signature

logger = logging.getLogger(__name__)

COMPARED = 4  # crops

# More than any number: it only has to be one.
LARGEST = float(np.finfo(np.float32).max)


class ExportError(InputError):
    """An artefact that does not answer as the model does."""


@dataclass(frozen=True)
class Comparison:
    """What an artefact was asked, what it answered, and how far off that is.

    Attributes:
        difference: between its answers and the model's, as a share of their range; see
            `share_of_range`.
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
    chosen: Format,
    known: dict[Any, Any] | None = None,
) -> Comparison:
    """Ask an artefact in a fresh process, and the model here.

    Args:
        artefact: file or folder.
        model: what it was made from.
        manifest: the artefact's facts.
        samples: `crops` (uint8), and what `request_of` takes; see `Run.samples`.
        chosen: its format.
        known: what the model has answered in earlier comparisons; what it answers now
            is added.

    Raises:
        ExportError: if it differs by more than the format may, or does not run.
    """
    crops = samples["crops"][:COMPARED]
    if manifest.input.any_size:  # what fits at odd sizes fits at all
        crops = of_another_size(crops, manifest.input.multiple, manifest.input.least)
    images = manifest.input.normalised(crops)
    known = {} if known is None else known
    if tuple(images.shape) not in known:
        known[tuple(images.shape)] = model(images, training=False)
    expected = known[tuple(images.shape)]
    wanted = outputs_of(expected, manifest)
    if chosen.decodes:
        wanted = decode(expected, manifest)
    signature = signature_of(manifest)
    given = request_of(manifest, samples)
    inputs = {"images": images.numpy(), **given}
    answers = ask_in_fresh_process(artefact, signature, inputs)
    told = {name: value.numpy() for name, value in wanted.items()}
    warn_of_nothing(artefact, told)
    difference = max(differences(manifest, told, answers).values())
    allowed = LARGEST if chosen.tolerance is None else chosen.tolerance
    if not difference <= allowed:
        raise ExportError(
            f"{_title(artefact)} differs from the model by {difference:.1e} of its "
            f"range on real images, more than {allowed:.0e}; it was removed."
        )
    if answers.keys() != wanted.keys():
        scale = max(float(np.ptp(value)) for value in wanted.values()) or 1.0
        _compare_served(artefact, model, manifest, given, answers, scale)
    return Comparison(difference, inputs, answers)


def warn_of_nothing(artefact: Path, told: Mapping[str, np.ndarray]) -> None:
    """Say it where there was nothing to compare.

    Args:
        artefact: file or folder.
        told: what the model answers, by name; `counts` says how much it finds.
    """
    if not np.any(told.get("counts", 1)):
        logger.warning(
            "the model finds nothing in the sample images, so %s was compared in that "
            "alone",
            _title(artefact),
        )


def of_another_size(crops: np.ndarray, multiple: int, least: int = 1) -> np.ndarray:
    """A part of crops `(n, height, width, 3)`, of sides that a network takes.

    Args:
        crops: at the size that it was trained with.
        multiple: of which its sides are; 1: the part has odd ones.
        least: that its sides may be.
    """
    if multiple == 1:
        return crops[:, :-3, :-5]
    height, width = crops.shape[1:3]
    less = height - multiple
    return crops[:, : less if less >= max(least, multiple) else height, :width]


def differences(
    manifest: TaskManifest,
    expected: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """How far answers are apart, by name, as shares of what they range over.

    Args:
        manifest: its task says how answers are compared.
        expected: answers by name.
        found: these answers, and others maybe.
    """
    own = decoder_of(manifest).differences
    if own is not None:
        return own(expected, found, manifest)
    return {
        name: share_of_range(manifest, name, value, found[name])
        for name, value in expected.items()
    }


def numbers_of(answers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of some answers that are numbers: names of classes are none."""
    return {name: x for name, x in answers.items() if x.dtype.kind in "fui"}


def share_of_range(
    manifest: TaskManifest, name: str, expected: np.ndarray, found: np.ndarray
) -> float:
    """How far two answers are apart, as a share of the first one's range.

    Returns:
        The largest difference; the mean where the task's `Answer` says that rounding
        decides, which of labels is the share that differs. Infinite for other shapes,
        and for what is no number.
    """
    shares = shares_of_range(expected, found)
    answer = decoder_of(manifest).answers.get(name)
    on_average = answer is not None and answer.rounded
    return float(shares.mean() if on_average else shares.max(initial=0.0))


def shares_of_range(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Each number's difference as a share of the range; of whole numbers 0 or 1."""
    if expected.shape != found.shape:
        return np.array([np.inf])
    if expected.dtype.kind in "ui":
        return (expected != found).astype(np.float64)
    apart = np.nan_to_num(np.abs(expected - found), nan=np.inf)
    return apart / (np.ptp(expected) if expected.size and np.ptp(expected) else 1.0)


def _compare_served(
    artefact: Path,
    model: keras.Model,
    manifest: TaskManifest,
    given: dict[str, np.ndarray],
    answers: dict[str, np.ndarray],
    scale: float,
) -> None:
    """Raise an ExportError if the signature of encoded images answers otherwise."""
    signature = signature_of(manifest)
    if signature is None:
        return
    serve = serving_function(partial(model, training=False), manifest)
    if signature.by_last_digits:
        network = constant_graph(fold(model), image_spec(manifest))
        serve = serving_function(network, manifest)
        serve = constant_graph(serve, *signature.inputs)
    wanted = serve(*(runtimes.as_tensor(*pair) for pair in given.items()))
    told = {name: value.numpy() for name, value in wanted.items()}
    served = {
        name: answers.get(f"{signature.name}/{name}", answers[name]) for name in told
    }
    allowed = signature.allowed(manifest, given, TOLERANCE * scale)
    if decoder_of(manifest).differences is not None:
        found = differences(manifest, numbers_of(told), served)
        allowed = dict.fromkeys(found, TOLERANCE)
    else:
        found = {
            name: largest_difference(told[name], served[name])
            for name in allowed.keys() & told.keys()
        }
    for name, apart in found.items():
        if not apart <= allowed[name]:
            raise ExportError(
                f"The {name} of {_title(artefact)} differ from the model's by "
                f"{apart:.2g}, more than {allowed[name]:.2g}; it was removed."
            )


def ask_in_fresh_process(
    artefact: Path, signature: Signature | None, inputs: dict[str, np.ndarray]
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
            signature.name if signature else "",
            str(given),
            str(taken),
        ]
        quiet = {**os.environ, **runtimes.FROZEN_WEIGHTS, "TF_CPP_MIN_LOG_LEVEL": "3"}
        process = subprocess.run(command, capture_output=True, text=True, env=quiet)
        if process.returncode:
            said = process.stderr.strip().splitlines() or ["it said nothing"]
            raise ExportError(
                f"{_title(artefact)} does not run, its process ended with status "
                f"{process.returncode}: {said[-1]}"
            )
        return dict(np.load(taken))


def largest_difference(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest one; infinite for other shapes, and for what is no number."""
    if expected.shape != found.shape:
        return float("inf")
    return float(np.nan_to_num(np.abs(expected - found), nan=np.inf).max(initial=0.0))


def _title(artefact: Path) -> str:
    return f"SavedModel {artefact.name}" if artefact.is_dir() else artefact.name

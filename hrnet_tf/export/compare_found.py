"""SavedModels that hold a detector too, against the two models in them."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.export.compare import (
    ExportError,
    ask_in_fresh_process,
    differences,
    largest_difference,
    numbers_of,
)
from hrnet_tf.export.finding import Finder
from hrnet_tf.export.requests import request_of
from hrnet_tf.export.signatures import image_spec, serving_function, signature_of
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import IMAGES, TOLERANCE, Answers, Signature

logger = logging.getLogger(__name__)

BOXES = 0.1  # pixels by which boxes may differ


def compare_found(
    artefact: Path,
    model: keras.Model,
    manifest: TaskManifest,
    finder: Finder,
    samples: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Ask an artefact about an image in a fresh process, and both networks here.

    Who comes first among equals, and who is just sure enough to be looked at, the last
    digits decide. So the artefact is compared with the folded networks, whose digits
    are the same, and the folded detector with the model, as a set. What looks at boxes
    is compared with its model by its own signature.

    Args:
        artefact: folder of the SavedModel.
        model: what looks at boxes.
        manifest: its facts.
        finder: what finds them.
        samples: see `hrnet_tf.export.compare.compare`.

    Returns:
        What the signature of both answers, by names that begin with its own; see
        `ask_about_found`.

    Raises:
        ExportError: if other people are found, or at other places.
    """
    image = request_of(manifest, samples)[IMAGES.name]
    find = constant_graph(fold(finder.model), image_spec(finder.manifest))
    _compare_detector(finder, find, image)

    images = manifest.input.normalised(samples["crops"][:1]).numpy()
    inputs = {"images": images, IMAGES.name: image}
    served = ask_about_found(artefact, manifest, finder.signature, inputs)
    network = constant_graph(fold(model), image_spec(manifest))
    both = constant_graph(finder.serve(find, network, manifest), IMAGES)
    wanted = _numbers(both(_one(image)))
    allowed = {"people": 0.0, "boxes": BOXES, "box_scores": TOLERANCE}
    if wanted["people"].any():
        signature: Signature = signature_of(manifest)  # type: ignore[assignment]
        scale = float(np.abs(wanted["scores"]).max()) or 1.0
        allowed |= signature.allowed(manifest, wanted, TOLERANCE * scale)
    else:
        logger.warning(
            "the detector finds no %s in the sample image that it is sure of, so what "
            "%s answers about them was not compared",
            *(finder.name, finder.signature),
        )
    for name, most in allowed.items():
        own = served.get(f"{finder.signature}/{name}")
        apart = np.inf if own is None else largest_difference(wanted[name], own)
        if not apart <= most:
            raise ExportError(
                f"The {name} of the signature {finder.signature} differ from the "
                f"networks' by {apart:.2g}, more than {most:.2g}; it was removed."
            )
    return served


def ask_about_found(
    artefact: Path, manifest: TaskManifest, name: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What a SavedModel's signature of both networks answers, in a fresh process.

    Args:
        artefact: folder of the SavedModel.
        manifest: of what looks at boxes.
        name: of the signature, such as `people`.
        inputs: what the artefact was asked in its comparison; boxes are not used.

    Returns:
        Its answers, which are numbers, as `NAME/ANSWER`.
    """
    own: Signature = signature_of(manifest)  # type: ignore[assignment]
    given = {key: inputs[key] for key in ("images", IMAGES.name)}
    answers = ask_in_fresh_process(artefact, replace(own, name=name), given)
    # What the network itself answers is told apart by its name alone.
    return {
        f"{name}/{key.removeprefix(f'{name}/')}": value
        for key, value in numbers_of(answers).items()
        if key != manifest.output.name
    }


def _compare_detector(finder: Finder, find: Network, image: np.ndarray) -> None:
    """Raise an ExportError if a folded detector finds other objects than its model."""
    model = partial(finder.model, training=False)
    wanted, found = (
        _numbers(serving_function(network, finder.manifest)(_one(image)))
        for network in (model, find)
    )
    for name, apart in differences(finder.manifest, wanted, found).items():
        if not apart <= TOLERANCE:
            raise ExportError(
                f"The {name} of the folded detector differ from its model's by "
                f"{apart:.1e} of their range, more than {TOLERANCE:.0e}; nothing was "
                "exported."
            )


def _one(image: np.ndarray) -> tf.Tensor:
    return tf.constant([image.tobytes()])


def _numbers(answers: Answers) -> dict[str, np.ndarray]:
    return numbers_of({name: value.numpy() for name, value in answers.items()})

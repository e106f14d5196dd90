"""Networks to SavedModels, for TensorFlow Serving."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.export.checked_images import checked_images
from hrnet_tf.export.finding import Finder
from hrnet_tf.export.integrity import checksums, sealed
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes.runtimes import OWN_MANIFEST, as_tensor
from hrnet_tf.export.requests import request_of
from hrnet_tf.export.saved_weights import Constants, Variables
from hrnet_tf.export.signatures import (
    image_spec,
    limits_of,
    outputs_of,
    serving_function,
    signature_of,
)
from hrnet_tf.export.warmup import write_warmup
from hrnet_tf.tasks.base.manifest import Artefact, TaskManifest
from hrnet_tf.tasks.base.serving import IMAGES

# The facts of the detector inside, beside the copy of the manifest.
DETECTOR = OWN_MANIFEST.with_name("detector.json")


def write_savedmodel(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write a SavedModel folder with two signatures, or one if the task has but that.

    `serving_default` takes `image`, normalised float32 images `(n, height, width, 3)`,
    any number of them, and gives what the network answers. The other one takes
    `image_bytes`, encoded JPEG or PNG files `(n,)`; what it gives, `serving.py` of the
    task says. With a detector in the options there is one more, see `Finder`. In
    `assets.extra` lie a copy of the manifest, with checksums of the other files, the
    detector's manifest if there is one, and, if the options have samples, a warm-up
    request for each signature. How weights are held, the options say.

    Returns:
        The manifest with the limits of the signatures.
    """
    path, limits = Path(path), limits_of(manifest)
    manifest = replace(manifest, limits=limits)
    image = image_spec(manifest)
    signature = signature_of(manifest)
    graphs = Constants() if options.weights == "constants" else Variables()
    # Calling the same graph, both signatures share its weights.
    network = graphs.of_model(model, image)

    def answer(image: tf.Tensor) -> dict[str, tf.Tensor]:
        checked = checked_images(image, manifest, limits)
        return outputs_of(network(checked), manifest)

    signatures = {"serving_default": graphs.of(answer, image)}
    if signature is not None:
        serve = serving_function(network, manifest)
        signatures[signature.name] = graphs.of(serve, *signature.inputs)
    if (finder := options.detector) is not None:
        find = graphs.of_model(finder.model, image_spec(finder.manifest))
        both = finder.serve(find, network, manifest)
        signatures[finder.signature] = graphs.of(both, IMAGES)
    graphs.save(path, signatures)
    (path / OWN_MANIFEST).parent.mkdir()
    if options.samples is not None:
        write_warmup(path, _requests(manifest, options.samples, finder))
    if finder is not None:
        finder.manifest.write(path / DETECTOR)
    files = Artefact("savedmodel", checksums(path))
    sealed(manifest, files).write(path / OWN_MANIFEST)
    return manifest


def _requests(
    manifest: TaskManifest, samples: Mapping[str, np.ndarray], finder: Finder | None
) -> dict[str, dict[str, tf.Tensor]]:
    """A request for each signature."""
    crop = samples["crops"][:1]
    image = manifest.input.normalised(crop)
    requests = {"serving_default": {"image": image}}
    if (signature := signature_of(manifest)) is not None:
        given = request_of(manifest, samples)
        requests[signature.name] = {
            name: as_tensor(name, value) for name, value in given.items()
        }
        if finder is not None:
            encoded = requests[signature.name][IMAGES.name]
            requests[finder.signature] = {IMAGES.name: encoded}
    return requests

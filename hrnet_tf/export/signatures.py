"""The signature and the decoder of a manifest's task, put around a network."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hrnet_tf.images.limits import Limits
from hrnet_tf.images.preprocess import preprocess_input
from hrnet_tf.tasks import parts_of
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import Answers, Signature


def signature_of(manifest: TaskManifest) -> Signature:
    """The one of a manifest's task."""
    return parts_of(manifest).signature


def limits_of(manifest: TaskManifest) -> Limits:
    """What a manifest's signature refuses: what it says, or else its task's limits."""
    return manifest.limits or signature_of(manifest).limits


def serving_function(network: Network, manifest: TaskManifest) -> Callable:
    """The function of a manifest's signature, which checks what it is given.

    Args:
        network: normalised images to heatmaps, logits or maps.
        manifest: what the network takes and what its answers mean.

    Returns:
        A function of the signature's inputs by name to its answers by name.

    Example:
        ```python
        serve = serving_function(lambda images: model(images, training=False), manifest)
        serve(image_bytes=tf.constant([tf.io.read_file("photo.jpg").numpy()]))
        ```
    """
    signature = signature_of(manifest)
    serve = signature.make(network, manifest, limits_of(manifest))

    def checked(*given: tf.Tensor) -> dict[str, tf.Tensor]:
        # A server does not look at shapes; operations that rely on them may crash it.
        fitting = (
            tf.ensure_shape(value, spec.shape)
            for value, spec in zip(given, signature.inputs, strict=True)
        )
        return serve(*fitting)

    return checked


def decode(answer: tf.Tensor, manifest: TaskManifest) -> Answers:
    """What a network's answer means, by name; see `hrnet_tf.tasks.base.serving`."""
    return parts_of(manifest).decoder.decode(answer, manifest)


def reader(
    network: Callable[[tf.Tensor], Answers], manifest: TaskManifest
) -> Callable[[tf.Tensor], Any]:
    """All that happens to crops around a network that decodes what it finds.

    Args:
        network: normalised images to answers by name.
        manifest: what it takes.

    Returns:
        A function of RGB crops `(n, height, width, 3)`, 0..255, to what the `in_graph`
        of the task's predictor gives.
    """
    decoder = parts_of(manifest).decoder

    def read(crops: tf.Tensor) -> Any:
        images = preprocess_input(crops, manifest.input.mean, manifest.input.std)
        return decoder.encode(network(images), manifest)

    return read

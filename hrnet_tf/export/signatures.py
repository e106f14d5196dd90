"""The signature and the decoder of a manifest's task, put around a network."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks import parts_of
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.base.serving import CROPPED, Answers, Decoder, Signature

# What networks answer is what users want to know.
AS_IT_IS = Decoder(
    lambda answer, manifest: {manifest.output.name: answer},
    lambda found, manifest: found[manifest.output.name],
)


def signature_of(manifest: TaskManifest) -> Signature | None:
    """The one of a manifest's task; None: it has none."""
    return parts_of(manifest).signature


def decoder_of(manifest: TaskManifest) -> Decoder:
    """The one of a manifest's task."""
    return parts_of(manifest).decoder or AS_IT_IS


def limits_of(manifest: TaskManifest) -> Limits:
    """What SavedModels refuse: what a manifest says, or else its task's limits."""
    signature = signature_of(manifest)
    return manifest.limits or (signature.limits if signature else CROPPED)


def image_spec(manifest: TaskManifest) -> tf.TensorSpec:
    """What the network of a manifest takes: normalised images."""
    return tf.TensorSpec((None, *manifest.input.shape, 3), tf.float32, "image")


def serving_function(network: Network, manifest: TaskManifest) -> Callable:
    """The function of a manifest's signature, which checks what it is given.

    Args:
        network: normalised images to the network's answers.
        manifest: what the network takes and what its answers mean.

    Returns:
        A function of the signature's inputs by name to its answers by name.

    Raises:
        InputError: if the manifest's task has no signature.

    Example:
        ```python
        serve = serving_function(lambda images: model(images, training=False), manifest)
        serve(image_bytes=tf.constant([tf.io.read_file("photo.jpg").numpy()]))
        ```
    """
    signature = signature_of(manifest)
    if signature is None:
        raise InputError(
            f"Models of the task {manifest.task} have no signature of encoded images."
        )
    serve = signature.make(network, manifest, limits_of(manifest))

    def checked(*given: tf.Tensor) -> dict[str, tf.Tensor]:
        # A server does not look at shapes; operations that rely on them may crash it.
        fitting = (
            tf.ensure_shape(value, spec.shape)
            for value, spec in zip(given, signature.inputs, strict=True)
        )
        return serve(*fitting)

    return checked


def divided(manifest: TaskManifest) -> Mapping[str, Mapping[str, slice]]:
    """Outputs of a network that are several tensors in files; see `fold`."""
    return decoder_of(manifest).divided(manifest)


def decode(answer: tf.Tensor, manifest: TaskManifest) -> Answers:
    """What a network's answer means, by name; see `hrnet_tf.tasks.base.serving`."""
    return decoder_of(manifest).decode(answer, manifest)


def outputs_of(answer: Any, manifest: TaskManifest) -> Answers:
    """What a network answers, as the tensors that files give, by their names."""
    return decoder_of(manifest).outputs(answer, manifest)


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
    decoder = decoder_of(manifest)

    def read(crops: tf.Tensor) -> Any:
        images = manifest.input.normalised(crops)
        return decoder.encode(network(images), manifest)

    return read

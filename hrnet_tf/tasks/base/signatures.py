"""The signatures that exported graphs have beside the network itself: a task's each.

TensorFlow Serving puts requests together along the first dimension, so all that a
signature takes and gives has it: one entry an image.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from hrnet_tf.tasks.base.manifest import Limits, TaskManifest
from hrnet_tf.tasks.base.predictor import Network
from hrnet_tf.tasks.classification.serving import serve_classes
from hrnet_tf.tasks.dense.serving import serve_labels, serve_maps
from hrnet_tf.tasks.pose.serving import serve_keypoints

# While crops are cut out, an image takes 15 bytes a pixel: half a gigabyte at most.
CROPPED = Limits(side=8192, pixels=2**25, images=256)
# Of what a network sees whole, its maps take a kilobyte a pixel: some gigabytes.
SEEN_WHOLE = Limits(side=8192, pixels=2**22, images=16)


@dataclass(frozen=True)
class Signature:
    """A signature of SavedModels that takes encoded images.

    Attributes:
        name: of the signature.
        inputs: what it takes; `image_bytes` first.
        make: gives the function, for a network, a manifest and limits.
        limits: what it refuses, unless the manifest says otherwise.
    """

    name: str
    inputs: tuple[tf.TensorSpec, ...]
    make: Callable[[Network, Any, Limits], Callable]
    limits: Limits


_IMAGES = tf.TensorSpec((None,), tf.string, "image_bytes")
_BOXES = tf.TensorSpec((None, None, 4), tf.float32, "boxes")
_PEOPLE = tf.TensorSpec((None,), tf.int32, "people")

SIGNATURES = {
    "pose": Signature(
        "keypoints",
        (_IMAGES, _BOXES, _PEOPLE),
        serve_keypoints,
        replace(CROPPED, people=2048),
    ),
    "classification": Signature("classify", (_IMAGES,), serve_classes, CROPPED),
    "segmentation": Signature("segment", (_IMAGES,), serve_labels, SEEN_WHOLE),
    "regression": Signature("regress", (_IMAGES,), serve_maps, SEEN_WHOLE),
}


def signature_of(manifest: TaskManifest) -> Signature:
    """The one of a manifest's task."""
    return SIGNATURES[manifest.task]


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

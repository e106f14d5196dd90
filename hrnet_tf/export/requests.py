"""Requests for signatures of encoded images, from the samples of a run."""

import sys
from collections.abc import Mapping

import numpy as np

from hrnet_tf.common.opencv import cv2
from hrnet_tf.common.reading import Orientation, Reading
from hrnet_tf.export.signatures import limits_of, signature_of
from hrnet_tf.images.files import decode
from hrnet_tf.images.header import JPEG, PNG
from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks.base.manifest import TaskManifest


def request_of(
    manifest: TaskManifest, samples: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """A request for the signature of a manifest's task, one image.

    Args:
        manifest: its limits hold.
        samples: `image_bytes`, the content of an image file, uint8, and what else the
            signature's `request` takes.

    Returns:
        By name, in the signature's order; nothing where there is no signature. What is
        neither JPEG nor PNG or beyond the limits is written anew, as PNG.
    """
    signature = signature_of(manifest)
    if signature is None:
        return {}
    encoded, factor = _servable(
        samples["image_bytes"], limits_of(manifest), manifest.input.orientation
    )
    request = {"image_bytes": encoded}
    request |= signature.request(samples, factor)
    return {spec.name: request[spec.name] for spec in signature.inputs}


def _servable(
    encoded: np.ndarray, limits: Limits, orientation: Orientation
) -> tuple[np.ndarray, float]:
    """A file that servers take, and how many times larger its image was made."""
    # The training that it is a sample of has taken it already, whatever its limit.
    image = decode(encoded.tobytes(), Reading(orientation, sys.maxsize))
    height, width = image.shape[:2]
    least = (limits.pixels / (height * width)) ** 0.5
    factor = min(1.0, limits.side / max(height, width), least)
    if factor == 1.0 and encoded[: len(PNG)].tobytes().startswith((JPEG, PNG)):
        return encoded, factor
    size = (max(1, int(width * factor)), max(1, int(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".png", small[..., ::-1])[1].ravel(), factor

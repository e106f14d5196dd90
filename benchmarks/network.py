"""The network that is measured, mostly HRNetV1, with weights as if trained."""

from collections.abc import Callable

import keras
import numpy as np

import hrnet_tf
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.keypoints.manifest import Decoding, HeatmapOutput
from hrnet_tf.tasks.pose.manifest import PoseManifest

SIZE = (256, 192)  # height and width of a crop


def make_network(
    width: int | str = 32,
    size: tuple[int, int] = SIZE,
    build: Callable[..., keras.Model] = hrnet_tf.HRNetV1,
) -> keras.Model:
    """Random weights that keep activations in range; no batch norm is an identity.

    With the weights of a new network activations would be subnormal, which is slow, and
    biases zero, which is quick to export.
    """
    keras.utils.set_random_seed(0)
    model = build(width, input_shape=(*size, 3))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            gamma, variance = rng.uniform(0.5, 1.0, (2, *shape))
            beta, mean = rng.normal(0.0, 0.1, (2, *shape))
            layer.set_weights([gamma, beta, mean, variance])
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel, *bias = layer.get_weights()
            scale = 1.0 / np.sqrt(np.prod(kernel.shape[:2]))
            layer.set_weights([rng.normal(0.0, scale, kernel.shape), *bias])
        elif isinstance(layer, keras.layers.Conv2D):
            kernel = layer.kernel.shape
            scale = 1.0 / np.sqrt(np.prod(kernel[:-1]))
            layer.kernel.assign(rng.normal(0.0, scale, kernel))
    return model


def make_manifest(width: int | str = 32, size: tuple[int, int] = SIZE) -> PoseManifest:
    """Its facts; predictions are not averaged with those of the mirrored image."""
    rows, columns = size
    return PoseManifest(
        model=f"HRNetV1 width {width}",
        input=ImageInput(rows, columns),
        output=HeatmapOutput(rows // 4, columns // 4, 4),
        keypoints=hrnet_tf.KeypointSet.read("coco"),
        decoding=Decoding(),
    )

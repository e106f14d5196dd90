"""Networks ready for `fit`: body, head, default loss and metrics."""

from collections.abc import Callable
from functools import partial

import keras

from hrnet_tf.components import find
from hrnet_tf.config import Component, ModelSection
from hrnet_tf.errors import InputError
from hrnet_tf.layers import LayerFactory
from hrnet_tf.tasks.classification import HRNetClassifier
from hrnet_tf.tasks.higher import HigherHRNet
from hrnet_tf.tasks.landmarks import HRNetLandmarks
from hrnet_tf.tasks.pose import HRNetV1
from hrnet_tf.tasks.pyramid import HRNetV2p
from hrnet_tf.tasks.segmentation import HRNetV2

__all__ = [
    "MODELS",
    "POSE_MODELS",
    "HRNetClassifier",
    "HRNetLandmarks",
    "HRNetV1",
    "HRNetV2",
    "HRNetV2p",
    "HigherHRNet",
    "build_pose_model",
]

MODELS: dict[str, Callable[..., keras.Model]] = {
    "HRNetClassifier": HRNetClassifier,
    "HRNetLandmarks": HRNetLandmarks,
    "HRNetV1": HRNetV1,
    "HRNetV2": HRNetV2,
    "HRNetV2p": HRNetV2p,
    "HigherHRNet": HigherHRNet,
}
POSE_MODELS = {"HRNetV1": HRNetV1}


def build_pose_model(
    section: ModelSection, keypoints: int, *, synchronized: bool = False
) -> keras.Model:
    """Build the network that a configuration describes.

    Args:
        section: the configuration's `model`.
        keypoints: number of heatmaps.
        synchronized: whether batch norm shares its statistics between devices.

    Raises:
        InputError: if its numbers do not make a network, or a layer cannot be imported.
    """
    try:
        return POSE_MODELS[section.name](
            section.width,
            keypoints,
            weights=section.weights,
            input_shape=(*section.size, 3),
            upsampling=section.upsampling,
            bn_momentum=section.bn_momentum,
            synchronized=synchronized,
            modules=section.modules,
            blocks=section.blocks,
            stem=section.stem,
            normalization=_layer(section.normalization, "model.normalization"),
            activation=_layer(section.activation, "model.activation"),
        )
    except ValueError as error:
        raise InputError(
            f"The configuration's `model` cannot be built: {error}"
        ) from error


def _layer(component: Component | None, key: str) -> LayerFactory | None:
    return partial(find(component, key), **component.arguments) if component else None

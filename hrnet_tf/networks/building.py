"""Networks as configurations describe them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from hrnet_tf.common.components import find
from hrnet_tf.common.config import Component, NetworkSection
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.layers import LayerFactory
from hrnet_tf.networks.transfer import load_body_of


def build_network(
    constructor: Callable[..., keras.Model],
    section: NetworkSection,
    outputs: int,
    *,
    synchronized: bool = False,
    **more: Any,
) -> keras.Model:
    """Build the network that a configuration describes.

    Args:
        constructor: such as `hrnet_tf.HRNetV2`.
        section: the configuration's `model`.
        outputs: number of keypoints or classes.
        synchronized: whether batch norm shares its statistics between devices.
        more: arguments of this constructor alone, or in place of these.

    Raises:
        InputError: if its numbers do not make a network, or a layer cannot be imported.
    """
    try:
        arguments = {
            "weights": section.weights,
            "input_shape": (*section.size, 3),
            "upsampling": section.upsampling,
            "bn_momentum": section.bn_momentum,
            "synchronized": synchronized,
            "modules": section.modules,
            "blocks": section.blocks,
            "stem": section.stem,
            "normalization": _layer(section.normalization, "model.normalization"),
            "activation": _layer(section.activation, "model.activation"),
        }
        network = constructor(section.variant, outputs, **arguments | more)
        if section.body is not None:
            load_body_of(network, section.body, section.variant)
        return network
    except ValueError as error:
        raise InputError(
            f"The configuration's `model` cannot be built: {error}"
        ) from error


def _layer(component: Component | None, key: str) -> LayerFactory | None:
    return partial(find(component, key), **component.arguments) if component else None

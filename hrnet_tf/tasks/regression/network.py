"""The network of dense regression: that of `hrnet_tf.HRNetV2`, a number a channel."""

from typing import Any

import keras

from hrnet_tf.networks.constructors import Arguments
from hrnet_tf.tasks.dense.network import dense_network


def regression_network(
    width: int | str,
    channels: int,
    *,
    aspp: bool = False,
    features: int | None = None,
    **arguments: Any,
) -> keras.Model:
    """From normalised images of any size to a map of numbers; not compiled.

    Args:
        width: of the body.
        channels: numbers a cell.
        aspp: see `hrnet_tf.HRNetV2`.
        features: see `hrnet_tf.HRNetV2`.
        arguments: others of `Arguments`.
    """
    shared = Arguments(width=width, pyramid_outputs=False, **arguments)
    return dense_network(channels, shared, aspp=aspp, features=features)

"""HRNetV2's network: the concatenated representation, and a map of answers from it."""

import keras
import tensorflow as tf

from hrnet_tf.networks.constructors import Arguments
from hrnet_tf.networks.heads.aspp import aspp_head
from hrnet_tf.networks.heads.dense import concatenate, dense_head
from hrnet_tf.networks.heads.ocr import ocr_head
from hrnet_tf.networks.layers import Upsample, Upsampling, dense_rule
from hrnet_tf.networks.network import Network

STRIDE = 4  # image pixels per cell of the map


def dense_network(
    outputs: int,
    arguments: Arguments,
    *,
    ocr: bool = False,
    aspp: bool = False,
    features: int | None = None,
    full_size: bool = False,
    kind: type[keras.Model] = keras.Model,
) -> keras.Model:
    """The network of `hrnet_tf.HRNetV2`, not compiled.

    Args:
        outputs: numbers a cell.
        arguments: those of all networks.
        ocr: see `hrnet_tf.HRNetV2`.
        aspp: see `hrnet_tf.HRNetV2`.
        features: see `hrnet_tf.HRNetV2`.
        full_size: see `hrnet_tf.HRNetV2`.
        kind: class of the model.

    Raises:
        ValueError: if a size, a number or a name does not fit.
    """
    network = Network("HRNetV2", {"classes": outputs, "ocr": ocr}, arguments)
    if ocr and aspp:
        raise ValueError("`ocr` and `aspp` exclude each other: a network has one head.")
    maps, conventions = network.body(), network.conventions
    if arguments.pyramid_outputs:
        x = network.pyramid(maps)
    else:
        x = concatenate(maps, conventions)
    if network.include_top and ocr:
        x = ocr_head(x, outputs, conventions, features)
    elif network.include_top and aspp:
        x = aspp_head(x, outputs, conventions, features=features)
    elif network.include_top:
        x = dense_head(x, outputs, conventions, features=features, name="last_layer")
    if network.include_top and full_size:
        x = enlarged(x, network.image, dense_rule(arguments.upsampling))
    return network.model(x, "hrnet_v2", kind)


def enlarged(
    maps: tf.Tensor | dict[str, tf.Tensor],
    image: tf.Tensor,
    rule: Upsampling,
    stride: int = STRIDE,
) -> tf.Tensor | dict[str, tf.Tensor]:
    """Answers, one map or several by name, at the size of the image."""
    if isinstance(maps, dict):
        return {
            key: Upsample(stride, rule, name=f"full_size.{key}")([value, image])
            for key, value in maps.items()
        }
    return Upsample(stride, rule, name="full_size")([maps, image])

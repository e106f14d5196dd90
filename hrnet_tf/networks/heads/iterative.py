"""Lite-HRNet's neck: from the lowest resolution up, adding branch after branch."""

import tensorflow as tf
from keras import layers

from hrnet_tf.networks.backbone import Maps
from hrnet_tf.networks.layers import Conventions, Upsample
from hrnet_tf.networks.lite import depthwise


def iterative_head(maps: Maps, conventions: Conventions) -> tf.Tensor:
    """All resolutions in the highest one.

    Each step is a separable convolution to the next branch's width, enlarged
    bilinearly (corners aligned) and added to that branch.

    Args:
        maps: the body's, highest resolution first.
        conventions: what the network's layers have in common.

    Returns:
        `(batch, height, width, channels)` as the highest-resolution map.

    Source: Yu et al., https://arxiv.org/abs/2104.06403, and its code.
    """
    upwards = list(reversed(maps))
    widths = [*(x.shape[-1] for x in upwards[1:]), upwards[-1].shape[-1]]
    below = None
    for step, (x, width) in enumerate(zip(upwards, widths, strict=True)):
        name = f"head_layer.projects.{step}"
        if below is not None:
            enlarge = Upsample(2, "bilinear_align_corners", name=f"{name}.upsample")
            below = enlarge([below, x])
            x = layers.Add(name=f"{name}.add")([x, below])
        conv = f"{name}.depthwise_conv"
        x = depthwise(x, conventions, names=(f"{conv}.conv", f"{conv}.bn"))
        conv = f"{name}.pointwise_conv"
        names = (f"{conv}.conv", f"{conv}.bn")
        below = conventions.conv_bn(x, width, 1, names=names)
    return below

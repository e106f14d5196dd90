"""HigherHRNet: heatmaps and tags at a quarter, heatmaps again at half of the size."""

import tensorflow as tf
from keras import layers

from hrnet_tf.networks.layers import Conventions, basic_block

BLOCKS = 4


def higher_head(
    x: tf.Tensor, keypoints: int, conventions: Conventions, resolutions: int = 2
) -> dict[str, tf.Tensor]:
    """Levels of heatmaps; the lowest one also tags who each keypoint belongs to.

    Args:
        x: the body's highest-resolution map, `(batch, h, w, width)`.
        keypoints: number of heatmaps.
        conventions: what the network's layers have in common.
        resolutions: 2; or 1: without `heatmaps`, as OpenMMLab's bottom-up HRNet.

    Returns:
        `{"heatmaps_and_tags": ..., "heatmaps": ...}`, float32: `(batch, h, w,
        2 * keypoints)`, heatmaps first, and `(batch, 2 * h, 2 * w, keypoints)`.

    Source: Cheng et al., https://arxiv.org/abs/1908.10357, section 3.
    """
    width = x.shape[-1]
    quarter = conventions.output_conv(x, 2 * keypoints, name="final_layers.0")
    if resolutions == 1:
        return {"heatmaps_and_tags": quarter}
    name = "deconv_layers.0"
    y = layers.Concatenate(name=f"{name}.concatenate")([x, quarter])
    names = (f"{name}.0.0", f"{name}.0.1", f"{name}.0.2")
    y = conventions.deconv_bn(y, width, names=names)
    for block in range(1, 1 + BLOCKS):
        y = basic_block(y, width, conventions, name=f"{name}.{block}.0")
    half = conventions.output_conv(y, keypoints, name="final_layers.1")
    return {"heatmaps_and_tags": quarter, "heatmaps": half}

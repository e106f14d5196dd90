"""Heatmap head: one map a keypoint at the highest resolution."""

import tensorflow as tf

from hrnet_tf.networks.layers import Conventions


def heatmap_head(x: tf.Tensor, keypoints: int, conventions: Conventions) -> tf.Tensor:
    """One 1x1 convolution to a heatmap a keypoint, in float32 under any precision.

    Args:
        x: the body's highest-resolution map, `(batch, h, w, width)`.
        keypoints: number of heatmaps.
        conventions: what the network's layers have in common.

    Returns:
        Heatmaps, `(batch, h, w, keypoints)`, without activation.

    Source: Sun et al., https://arxiv.org/abs/1902.09212, section 3.
    """
    return conventions.output_conv(x, keypoints, name="final_layer")

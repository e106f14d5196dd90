"""HRNetV1: top-down human pose, one heatmap a keypoint."""

import keras
from typing_extensions import Unpack

from hrnet_tf.common.compat import scaled_if_mixed
from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.heads.heatmap import heatmap_head
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.network import Network
from hrnet_tf.networks.optimizers import Adam
from hrnet_tf.tasks.keypoints.losses import KeypointLoss
from hrnet_tf.tasks.keypoints.metrics import KeypointAccuracy


@constructor()
def HRNetV1(
    width: int | str = 32,
    keypoints: int = 17,
    *,
    pyramid_outputs: bool = False,
    input_shape: ImageShape = (256, 192, 3),
    upsampling: Upsampling = "nearest",
    **shared: Unpack[Shared],
) -> keras.Model:
    """HRNetV1: the high-resolution map, and heatmaps of keypoints from it.

    The model takes normalised RGB crops, float `(batch, height, width, 3)` (see
    `hrnet_tf.preprocess_input`), and returns float32 heatmaps `(batch, height / 4,
    width / 4, keypoints)`. It is compiled: `fit(images, keypoints)` takes keypoints of
    shape `(batch, keypoints, 3)` as x, y in crop pixels and weight (0: not annotated);
    heatmaps are drawn from them inside. Images as they are read, 0 to 255, are not
    refused but learn badly.

    Args:
        width: channels of the highest resolution (published: 32, 48), or
            `"18_small_v1"` or `"18_small_v2"`.
        keypoints: number of heatmaps.
        include_top: whether to add the heatmap head; without it the model returns the
            high-resolution map `(batch, height / 4, width / 4, width)` and is not
            compiled.
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Sun et al., Deep High-Resolution Representation Learning for Human Pose
    Estimation, https://arxiv.org/abs/1902.09212.

    Example:
        ```python
        model = hrnet_tf.HRNetV1(width=32, keypoints=17)
        heatmaps = model(hrnet_tf.preprocess_input(images))    # (batch, 64, 48, 17)
        ```
    """
    network = Network(
        "HRNetV1",
        {"keypoints": keypoints},
        Arguments(
            width=width,
            pyramid_outputs=pyramid_outputs,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
    )
    maps = network.body(high_resolution_only=not pyramid_outputs)
    x = network.pyramid(maps) if pyramid_outputs else maps[0]
    if network.include_top:
        x = heatmap_head(x, keypoints, network.conventions)
    model = network.model(x, "hrnet_v1")
    if network.include_top:
        model.compile(
            scaled_if_mixed(Adam(0.001)),
            loss=KeypointLoss(stride=network.spec.stride),
            metrics=[KeypointAccuracy(stride=network.spec.stride)],
        )
    return model

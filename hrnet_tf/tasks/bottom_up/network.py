"""HigherHRNet: bottom-up human pose, heatmaps at two resolutions, and tags."""

import keras
from typing_extensions import Unpack

from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.heads.higher import higher_head
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.network import Network

# Layers of OpenMMLab's bottom-up HRNet, which has one convolution for all its answers.
RENAMED = {"final_layer": "final_layers.0"}


@constructor()
def HigherHRNet(
    width: int | str = 32,
    keypoints: int = 17,
    *,
    resolutions: int = 2,
    pyramid_outputs: bool = False,
    input_shape: ImageShape = (None, None, 3),
    upsampling: Upsampling = "nearest",
    **shared: Unpack[Shared],
) -> keras.Model:
    """HigherHRNet: everyone in an image at once, keypoints grouped by their tags.

    The model takes normalised RGB images, float `(batch, height, width, 3)` (see
    `hrnet_tf.preprocess_input`), and returns float32 `{"heatmaps_and_tags": ...,
    "heatmaps": ...}`: `(batch, height / 4, width / 4, 2 * keypoints)`, heatmaps first,
    and `(batch, height / 2, width / 2, keypoints)`. It is not compiled.

    Args:
        width: channels of the highest resolution (published: 32, 48), or
            `"18_small_v1"` or `"18_small_v2"`.
        keypoints: number of heatmaps.
        resolutions: of the heatmaps; 1: at a quarter of the size alone, without
            `"heatmaps"`, as OpenMMLab's bottom-up HRNet has it.
        include_top: whether to add the heads; without them the model returns the
            high-resolution map `(batch, height / 4, width / 4, width)`.
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Cheng et al., HigherHRNet: Scale-Aware Representation Learning for Bottom-Up
    Human Pose Estimation, https://arxiv.org/abs/1908.10357.

    Example:
        ```python
        model = hrnet_tf.HigherHRNet(width=32, keypoints=17)
        maps = model(hrnet_tf.preprocess_input(images))        # images (1, 512, 512, 3)
        maps["heatmaps_and_tags"].shape                 # (1, 128, 128, 34)
        maps["heatmaps"].shape                          # (1, 256, 256, 17)
        ```
    """
    if resolutions not in (1, 2):
        raise ValueError(f"`resolutions` must be 1 or 2, got {resolutions!r}.")
    network = Network(
        "HigherHRNet",
        {"keypoints": keypoints},
        Arguments(
            width=width,
            pyramid_outputs=pyramid_outputs,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
        renamed=RENAMED if resolutions == 1 else {},
    )
    maps = network.body(high_resolution_only=not pyramid_outputs)
    x = network.pyramid(maps) if pyramid_outputs else maps[0]
    if network.include_top:
        x = higher_head(x, keypoints, network.conventions, resolutions)
    return network.model(x, "higher_hrnet")

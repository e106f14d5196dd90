"""Networks for top-down human pose: one heatmap a keypoint."""

import logging
from collections.abc import Mapping

import keras
import numpy as np
from typing_extensions import Unpack

from hrnet_tf.common.compat import scaled_if_mixed
from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.heads.deconvolution import FEATURES, deconvolutions
from hrnet_tf.networks.heads.heatmap import heatmap_head
from hrnet_tf.networks.heads.iterative import iterative_head
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.lite import lite_body, lite_hrnet
from hrnet_tf.networks.network import Network
from hrnet_tf.networks.optimizers import Adam
from hrnet_tf.networks.resnet import WIDTH, describe_resnet, resnet
from hrnet_tf.tasks.keypoints.losses import KeypointLoss
from hrnet_tf.tasks.keypoints.metrics import KeypointAccuracy

logger = logging.getLogger(__name__)


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
        _compile(model, network.spec.stride)
    return model


@constructor()
def LiteHRNet(
    width: int | str = 18,
    keypoints: int = 17,
    *,
    pyramid_outputs: bool = False,
    input_shape: ImageShape = (256, 192, 3),
    upsampling: Upsampling = "nearest",
    **shared: Unpack[Shared],
) -> keras.Model:
    """Lite-HRNet: 1.1 or 1.8 million parameters, for the same task as `HRNetV1`.

    The model takes and gives what `HRNetV1` does: normalised RGB crops, float `(batch,
    height, width, 3)` (see `hrnet_tf.preprocess_input`), sides multiples of 32; float32
    heatmaps `(batch, height / 4, width / 4, keypoints)`. It is compiled alike.

    Args:
        width: the variant, 18 or 30 as the paper calls them. Both have 40 channels in
            the highest resolution; 30 has more modules.
        keypoints: number of heatmaps.
        include_top: whether to add the heatmap head; without it the model returns the
            high-resolution map `(batch, height / 4, width / 4, 40)`, with all
            resolutions in it, and is not compiled.
        pyramid_outputs: return features by level in place of heatmaps: the body's maps
            `{"P2": ..., "P5": ...}`, `Pn` `(batch, height / 2**n, width / 2**n, 40 *
            2**(n - 2))`. The model then has no head and is not compiled.
        upsampling: `"nearest"` alone: the others are no part of this network, whose
            neck is always bilinear with aligned corners.
        modules: modules in the stages with 2, 3 and 4 branches (18: 2, 4, 2; 30: 3, 8,
            3).
        blocks: conditional channel weightings in each module (published: 2).
        stem: None; the stem is part of the design.
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Yu et al., Lite-HRNet: A Lightweight High-Resolution Network,
    https://arxiv.org/abs/2104.06403.

    Example:
        ```python
        model = hrnet_tf.LiteHRNet(18, keypoints=17)
        heatmaps = model(hrnet_tf.preprocess_input(images))    # (batch, 64, 48, 17)
        ```
    """
    if upsampling != "nearest":
        raise ValueError(
            f'LiteHRNet fuses by nearest upsampling: `upsampling` must be "nearest", '
            f"got {upsampling!r}."
        )
    network = Network(
        "LiteHRNet",
        {"keypoints": keypoints},
        Arguments(
            width=width,
            pyramid_outputs=pyramid_outputs,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
        describe=lite_body,
    )
    maps = lite_hrnet(network.image, network.spec, network.conventions)
    if pyramid_outputs:
        return network.model(network.pyramid(maps), "lite_hrnet")
    x = iterative_head(maps, network.conventions)
    if network.include_top:
        x = heatmap_head(x, keypoints, network.conventions)
    model = network.model(x, "lite_hrnet")
    if network.include_top:
        _compile(model, network.spec.stride)
    return model


@constructor()
def SimpleBaseline(
    depth: int = 50,
    keypoints: int = 17,
    *,
    width: int = WIDTH,
    features: int = FEATURES,
    pyramid_outputs: bool = False,
    input_shape: ImageShape = (256, 192, 3),
    upsampling: Upsampling = "nearest",
    **shared: Unpack[Shared],
) -> keras.Model:
    """SimpleBaseline: a ResNet and three deconvolutions, for the task of `HRNetV1`.

    It is what HRNet's papers compare with. The model takes and gives what `HRNetV1`
    does: normalised crops, float `(batch, height, width, 3)`, sides multiples of 32;
    float32 heatmaps `(batch, height / 4, width / 4, keypoints)`. It is compiled alike.
    The official checkpoints have learnt crops whose channels stand in the order BGR,
    normalised as if it were RGB: `hrnet_tf.preprocess_input(images,
    color_order="BGR")`.

    Args:
        depth: of ResNet: 50, 101 or 152.
        keypoints: number of heatmaps.
        width: channels of the first layer's 3x3 convolutions, a quarter of what it
            gives; they double from layer to layer (published: 64).
        features: channels of the deconvolutions (published: 256).
        include_top: whether to add the heatmap head; without it the model returns the
            deconvolutions' map `(batch, height / 4, width / 4, features)` and is not
            compiled.
        pyramid_outputs: return features by level in place of heatmaps: what ResNet's
            layers give, `{"P2": ..., "P5": ...}`, `Pn` `(batch, height / 2**n, width /
            2**n, width * 2**n)`. The model then has no deconvolutions and no head, and
            is not compiled.
        upsampling: `"nearest"` alone: this network learns how to enlarge.
        modules: bottlenecks in each of ResNet's four layers (50: 3, 4, 6, 3; 101: 3, 4,
            23, 3; 152: 3, 8, 36, 3).
        blocks: None; `modules` says it.
        stem: None; the stem is part of the design.
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking,
    https://arxiv.org/abs/1804.06208.

    Example:
        ```python
        model = hrnet_tf.SimpleBaseline(50, keypoints=17)
        images = hrnet_tf.preprocess_input(images, color_order="BGR")
        heatmaps = model(images)    # (batch, 64, 48, 17)
        ```
    """
    if upsampling != "nearest":
        raise ValueError(
            'SimpleBaseline learns how to enlarge: `upsampling` must be "nearest", got '
            f"{upsampling!r}."
        )
    if features < 1:
        raise ValueError(f"`features` must be positive, got {features}.")
    network = Network(
        "SimpleBaseline",
        {"keypoints": keypoints},
        Arguments(
            width=depth,
            pyramid_outputs=pyramid_outputs,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
        translate=_as_it_is,
        describe=describe_resnet("SimpleBaseline", width=width),
    )
    name = "simple_baseline"
    maps = resnet(network.image, network.spec, network.conventions)
    if pyramid_outputs:
        return network.model(network.pyramid(maps), name)
    x = deconvolutions(maps[-1], network.conventions, features)
    if network.include_top:
        x = heatmap_head(x, keypoints, network.conventions)
    model = network.model(x, name)
    if network.include_top:
        _compile(model, network.spec.stride)
    return model


def _as_it_is(tensors: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """Tensors of a SimpleBaseline, with a line on what they do not tell."""
    logger.warning(
        "%s: SimpleBaselines of the official program have learnt images in the order "
        "BGR, those of OpenMMLab RGB; hrnet_tf.preprocess_input and `model.color_order`"
        " take the order",
        where,
    )
    return dict(tensors)


def _compile(model: keras.Model, stride: int) -> None:
    model.compile(
        scaled_if_mixed(Adam(0.001)),
        loss=KeypointLoss(stride=stride),
        metrics=[KeypointAccuracy(stride=stride)],
    )

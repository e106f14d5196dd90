"""Networks for semantic segmentation: HRNetV2, and those that it is compared with."""

from collections.abc import Callable

import keras
import tensorflow as tf
from typing_extensions import Unpack

from hrnet_tf.common.compat import scaled_if_mixed
from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.heads.aspp import aspp_head
from hrnet_tf.networks.heads.pyramid_pooling import pyramid_pooling_head
from hrnet_tf.networks.layers import Upsampling, aligns_corners, dense_rule
from hrnet_tf.networks.network import Network
from hrnet_tf.networks.optimizers import SGD
from hrnet_tf.networks.resnet import WIDTH, describe_resnet, resnet
from hrnet_tf.tasks.dense.network import dense_network, enlarged
from hrnet_tf.tasks.dense.shared_targets import SharedTargets
from hrnet_tf.tasks.segmentation.losses import DenseCrossEntropy
from hrnet_tf.tasks.segmentation.metrics import PixelAccuracy, SegmentationScore

DILATED_STRIDE = 8  # image pixels per cell of what stands on a dilated ResNet


@constructor()
def HRNetV2(
    width: int | str = 48,
    classes: int = 19,
    *,
    ocr: bool = False,
    aspp: bool = False,
    features: int | None = None,
    full_size: bool = False,
    pyramid_outputs: bool = False,
    input_shape: ImageShape = (None, None, 3),
    upsampling: Upsampling = "bilinear",
    **shared: Unpack[Shared],
) -> keras.Model:
    """HRNetV2: all resolutions concatenated, and logits of classes from them.

    The model takes normalised RGB images of any size, float `(batch, height, width, 3)`
    (see `hrnet_tf.preprocess_input`), and returns float32 logits `(batch, height / 4,
    width / 4, classes)`, sizes rounded up. It is compiled: `fit(images, labels)` takes
    whole numbers `(batch, height, width)` or `(batch, height, width, 1)` as labels (not
    one-hot); 255 is ignored. `mean_iou` and `pixel_accuracy` tell how it does. Classes
    are weighed by `DenseCrossEntropy(class_weights=...)`: `fit(class_weight=...)` is
    for labels of images. Images as they are read, 0 to 255, are not refused but learn
    badly.

    Args:
        width: channels of the highest resolution (published: 18, 32, 40, 48), or
            `"18_small_v1"` or `"18_small_v2"`.
        classes: number of classes.
        ocr: add object-contextual representations: the model then returns
            `{"auxiliary": ..., "logits": ...}`; `fit` takes labels as without, and both
            learn from them.
        aspp: add atrous spatial pyramid pooling in place of the plain head.
        features: channels of the head's hidden layers; None: as published (plain: `15 *
            width`, OCR: 512, ASPP: 256).
        full_size: logits at the size of the image; else at a quarter of it, which is
            how the network learns.
        include_top: whether to add the labelling head; without it the model returns the
            representation `(batch, height / 4, width / 4, 15 * width)` and is not
            compiled.
        upsampling: how low resolutions are brought to high ones, in the fuse layers and
            in the concatenation: `"bilinear"` (half pixel), `"bilinear_align_corners"`
            (which one a published network wants depends on its data set) or `"nearest"`
            (the concatenation stays bilinear then).
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Wang et al., Deep High-Resolution Representation Learning for Visual
    Recognition, https://arxiv.org/abs/1908.07919.

    Example:
        ```python
        model = hrnet_tf.HRNetV2(width=48, classes=19)
        model.fit(hrnet_tf.preprocess_input(images), labels)
        body = hrnet_tf.HRNetV2(width=18, pyramid_outputs=True)
        body(hrnet_tf.preprocess_input(images))["P5"]  # (batch, h / 32, w / 32, 144)
        ```
    """
    arguments = Arguments(
        width=width,
        pyramid_outputs=pyramid_outputs,
        input_shape=input_shape,
        upsampling=upsampling,
        **shared,
    )
    two_answers = arguments.has_head and ocr
    model = dense_network(
        classes,
        arguments,
        ocr=ocr,
        aspp=aspp,
        features=features,
        full_size=full_size,
        kind=SharedTargets if two_answers else keras.Model,
    )
    if arguments.has_head:
        _compile(model, classes, dense_rule(upsampling), ocr=ocr)
    return model


@constructor()
def PSPNet(
    depth: int = 101,
    classes: int = 19,
    *,
    width: int = WIDTH,
    features: int | None = None,
    full_size: bool = False,
    input_shape: ImageShape = (None, None, 3),
    upsampling: Upsampling = "bilinear_align_corners",
    **shared: Unpack[Shared],
) -> keras.Model:
    """PSPNet on a dilated ResNet: means of the image's parts beside every pixel.

    It is what HRNet's papers compare with. The model takes and gives what `HRNetV2`
    does, with a cell for 8 pixels: normalised RGB images of any size, float `(batch,
    height, width, 3)`; float32 logits `(batch, height / 8, width / 8, classes)`, sizes
    rounded up. It is compiled alike. The loss that its authors add in training, of a
    second head on an earlier layer, is no part of it.

    Args:
        depth: of ResNet: 50, 101 or 152.
        classes: number of classes.
        width: channels of the first layer's 3x3 convolutions, a quarter of what it
            gives; they double from layer to layer (published: 64).
        features: channels of the head's hidden layers; None: 512, as published.
        full_size: logits at the size of the image; else at an eighth of it, which is
            how the network learns.
        include_top: whether to add the labelling head; without it the model returns
            ResNet's last map `(batch, height / 8, width / 8, 32 * width)` and is not
            compiled.
        upsampling: how means are brought to the size of the map: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`, as its authors have it.
        modules: bottlenecks in each of ResNet's four layers (50: 3, 4, 6, 3; 101: 3, 4,
            23, 3; 152: 3, 8, 36, 3).
        blocks: None; `modules` says it.
        stem: None; the stem is part of the design: three 3x3 convolutions.
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Zhao et al., Pyramid Scene Parsing Network,
    https://arxiv.org/abs/1612.01105.

    Example:
        ```python
        model = hrnet_tf.PSPNet(101, classes=19)
        model.fit(hrnet_tf.preprocess_input(images), labels)
        ```
    """
    aligns_corners(upsampling)

    def head(x: tf.Tensor, network: Network) -> tf.Tensor:
        conventions = network.conventions
        return pyramid_pooling_head(x, classes, conventions, upsampling, features)

    network = Network(
        "PSPNet",
        {"classes": classes},
        Arguments(
            width=depth,
            pyramid_outputs=False,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
        initializer="kaiming",
        describe=describe_resnet("PSPNet", width=width, deep_stem=True, dilated=True),
    )
    return _on_dilated(network, "psp_net", head, classes, upsampling, full_size)


@constructor()
def DeepLabV3(
    depth: int = 101,
    classes: int = 19,
    *,
    width: int = WIDTH,
    features: int | None = None,
    full_size: bool = False,
    input_shape: ImageShape = (None, None, 3),
    upsampling: Upsampling = "bilinear",
    **shared: Unpack[Shared],
) -> keras.Model:
    """DeepLabV3 on a dilated ResNet: every pixel looks at several distances at once.

    It is what HRNet's papers compare with. The model takes and gives what `HRNetV2`
    does, with a cell for 8 pixels: normalised RGB images of any size, float `(batch,
    height, width, 3)`; float32 logits `(batch, height / 8, width / 8, classes)`, sizes
    rounded up. It is compiled alike.

    Args:
        depth: of ResNet: 50, 101 or 152.
        classes: number of classes.
        width: channels of the first layer's 3x3 convolutions, a quarter of what it
            gives; they double from layer to layer (published: 64).
        features: channels of the head's hidden layers; None: 256, as published.
        full_size: logits at the size of the image; else at an eighth of it, which is
            how the network learns.
        include_top: whether to add the labelling head; without it the model returns
            ResNet's last map `(batch, height / 8, width / 8, 32 * width)` and is not
            compiled.
        upsampling: how logits are brought to the size of the image: `"bilinear"` (half
            pixel) or `"bilinear_align_corners"`.
        modules: bottlenecks in each of ResNet's four layers (50: 3, 4, 6, 3; 101: 3, 4,
            23, 3; 152: 3, 8, 36, 3). Those of the last one have rates of 4, 8 and 16.
        blocks: None; `modules` says it.
        stem: None; the stem is part of the design.
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation,
    https://arxiv.org/abs/1706.05587.

    Example:
        ```python
        model = hrnet_tf.DeepLabV3(101, classes=19)
        model.fit(hrnet_tf.preprocess_input(images), labels)
        ```
    """
    aligns_corners(upsampling)

    def head(x: tf.Tensor, network: Network) -> tf.Tensor:
        return aspp_head(x, classes, network.conventions, features=features)

    grid = (1, 2, 4)  # the paper's multi-grid
    network = Network(
        "DeepLabV3",
        {"classes": classes},
        Arguments(
            width=depth,
            pyramid_outputs=False,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
        initializer="kaiming",
        describe=describe_resnet("DeepLabV3", width=width, dilated=True, grid=grid),
    )
    return _on_dilated(network, "deeplab_v3", head, classes, upsampling, full_size)


def _on_dilated(
    network: Network,
    name: str,
    head: Callable[[tf.Tensor, Network], tf.Tensor],
    classes: int,
    rule: Upsampling,
    full_size: bool,
) -> keras.Model:
    """A dilated ResNet with a head on its last map."""
    x = resnet(network.image, network.spec, network.conventions)[-1]
    if network.include_top:
        x = head(x, network)
    if network.include_top and full_size:
        x = enlarged(x, network.image, rule, DILATED_STRIDE)
    model = network.model(x, name)
    if network.include_top:
        _compile(model, classes, rule)
    return model


def _compile(
    model: keras.Model, classes: int, rule: Upsampling, *, ocr: bool = False
) -> None:
    loss = DenseCrossEntropy(rule)
    metrics = [
        SegmentationScore(classes, upsampling=rule),
        PixelAccuracy(upsampling=rule),
    ]
    model.compile(
        scaled_if_mixed(SGD(0.01, momentum=0.9)),
        loss={"auxiliary": loss, "logits": loss} if ocr else loss,
        loss_weights={"auxiliary": 0.4, "logits": 1.0} if ocr else None,
        metrics={"logits": metrics} if ocr else metrics,
    )

"""HRNetV2: the concatenated representation, and dense labelling from it."""

import keras
from typing_extensions import Unpack

from hrnet_tf.common.compat import scaled_if_mixed
from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.layers import Upsampling, dense_rule
from hrnet_tf.networks.optimizers import SGD
from hrnet_tf.tasks.dense.network import dense_network
from hrnet_tf.tasks.segmentation.losses import DenseCrossEntropy
from hrnet_tf.tasks.segmentation.metrics import PixelAccuracy, SegmentationScore
from hrnet_tf.tasks.segmentation.shared_targets import SharedTargets


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
        rule = dense_rule(upsampling)
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
    return model

"""HRNetClassifier: ImageNet classification, which all other tasks start from."""

from collections.abc import Sequence

import keras
from typing_extensions import Unpack

from hrnet_tf.common.compat import scaled_if_mixed
from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.heads.classification import (
    FEATURES,
    PLANES,
    classification_features,
    classification_head,
)
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.network import Network
from hrnet_tf.networks.optimizers import SGD


@constructor(own_before="normalization")
def HRNetClassifier(
    width: int | str = 18,
    classes: int = 1000,
    *,
    pyramid_outputs: bool = False,
    input_shape: ImageShape = (224, 224, 3),
    upsampling: Upsampling = "nearest",
    head_planes: Sequence[int] = PLANES,
    features: int = FEATURES,
    **shared: Unpack[Shared],
) -> keras.Model:
    """HRNet-C: logits of classes for a whole image.

    The model takes normalised RGB images, float `(batch, height, width, 3)` (see
    `hrnet_tf.preprocess_input`), and returns float32 logits `(batch, classes)`. It is
    compiled: `fit(images, labels)` takes integer labels `(batch,)`; for one-hot labels
    compile it with `keras.losses.CategoricalCrossentropy(from_logits=True)`. Images as
    they are read, 0 to 255, are not refused but learn badly.

    Args:
        width: channels of the highest resolution (published: 18, 30, 32, 40, 44, 48,
            64), or `"18_small_v1"` or `"18_small_v2"`, or, with bottlenecks in all
            branches, `"44_bottleneck"`, `"76_bottleneck"` or `"96_bottleneck"`.
        classes: number of classes.
        include_top: whether to pool and classify; without it the model returns features
            `(batch, height / 32, width / 32, features)` and is not compiled.
        weights: None for random weights, the path of a `.keras`, `.weights.h5`, `.pth`,
            `.safetensors` or `.npz` file of the same network, or the name of published
            ones, such as `"imagenet"`.
        head_planes: planes of the bottleneck on each of the four resolutions
            (published: 32, 64, 128, 256, ten million parameters at any width).
        features: channels before pooling (published: 2048).
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Wang et al., Deep High-Resolution Representation Learning for Visual
    Recognition, https://arxiv.org/abs/1908.07919, appendix.

    Example:
        ```python
        model = hrnet_tf.HRNetClassifier(width=18, classes=10)
        model.fit(hrnet_tf.preprocess_input(images), labels)
        ```
    """
    network = Network(
        "HRNetClassifier",
        {"classes": classes},
        Arguments(
            width=width,
            pyramid_outputs=pyramid_outputs,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
        initializer="kaiming",
    )
    maps = network.body()
    if len(head_planes) != len(maps):
        raise ValueError(
            f"`head_planes` must hold {len(maps)} numbers, got {list(head_planes)}."
        )
    if pyramid_outputs:
        x = network.pyramid(maps)
    else:
        x = classification_features(maps, network.conventions, head_planes, features)
    if network.include_top:
        x = classification_head(x, classes)
    model = network.model(x, "hrnet_c")
    if network.include_top:
        model.compile(
            scaled_if_mixed(SGD(0.05, momentum=0.9, nesterov=True)),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
        )
    return model

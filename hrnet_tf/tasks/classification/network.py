"""HRNetClassifier: ImageNet classification, which all other tasks start from."""

from collections.abc import Sequence
from pathlib import Path

import keras

from hrnet_tf.networks.backbone import Stem, body, hrnet
from hrnet_tf.networks.constructors import (
    check_weights,
    image_input,
    load_weights,
    pyramid,
)
from hrnet_tf.networks.heads.classification import (
    FEATURES,
    PLANES,
    classification_features,
    classification_head,
)
from hrnet_tf.networks.layers import Conventions, LayerFactory, Upsampling
from hrnet_tf.networks.optimizers import SGD
from hrnet_tf.networks.transfer import Built


def HRNetClassifier(
    width: int | str = 18,
    classes: int = 1000,
    *,
    include_top: bool = True,
    pyramid_outputs: bool = False,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    upsampling: Upsampling = "nearest",
    bn_momentum: float = 0.9,
    synchronized: bool = False,
    modules: tuple[int, ...] | None = None,
    blocks: int | None = None,
    stem: Stem | None = None,
    head_planes: Sequence[int] = PLANES,
    features: int = FEATURES,
    normalization: LayerFactory | None = None,
    activation: LayerFactory | None = None,
    name: str | None = None,
) -> keras.Model:
    """HRNet-C: logits of classes for a whole image.

    The model takes normalised RGB images, float `(batch, height, width, 3)` (see
    `hrnet_tf.preprocess_input`), and returns float32 logits `(batch, classes)`. It is
    compiled: `fit(images, labels)` takes integer labels `(batch,)`; for one-hot labels
    compile it with `keras.losses.CategoricalCrossentropy(from_logits=True)`. Images as
    they are read, 0 to 255, are not refused but learn badly.

    Args:
        width: channels of the highest resolution (published: 18, 30, 32, 40, 44, 48,
            64), or `"18_small_v1"` or `"18_small_v2"`.
        classes: number of classes.
        include_top: whether to pool and classify; without it the model returns features
            `(batch, height / 32, width / 32, features)` and is not compiled.
        pyramid_outputs: return features by level in place of an answer, as backbones of
            KerasHub do: the body's maps `{"P2": ..., "P5": ...}`, `Pn` `(batch, height
            / 2**n, width / 2**n, width * 2**(n - 2))`. The model then has no head and
            is not compiled.
        weights: None for random weights, the path of a `.keras`, `.weights.h5`, `.pth`,
            `.safetensors` or `.npz` file of the same network, or the name of published
            ones, such as `"imagenet"`.
        input_shape: height, width (None: any) and 3. With nearest upsampling sides must
            be multiples of 32.
        upsampling: how low resolutions are brought to high ones: `"nearest"` (the
            published classifiers), `"bilinear"` or `"bilinear_align_corners"`.
        bn_momentum: batch norm's momentum, in Keras's sense.
        synchronized: share batch norm's statistics between the devices of a strategy.
        modules: modules in stages 2, 3 and 4 (published: 1, 4, 3).
        blocks: residual blocks a branch in each module (published: 4).
        stem: filters and stride of each of the two stem convolutions.
        head_planes: planes of the bottleneck on each of the four resolutions
            (published: 32, 64, 128, 256, ten million parameters at any width).
        features: channels before pooling (published: 2048).
        normalization: layer class to use in place of batch norm; called with `name=`.
        activation: layer class to use in place of ReLU; called with `name=`.
        name: the model's name.

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
    spec = body(width, modules, blocks, stem)
    include_top = include_top and not pyramid_outputs
    built = Built(
        "HRNetClassifier",
        width,
        include_top,
        {"classes": classes, "upsampling": upsampling},
    )
    check_weights(weights, built)
    conventions = Conventions(
        upsampling, bn_momentum, synchronized, "kaiming", normalization, activation
    )
    image = image_input(input_shape, spec, upsampling)
    maps = hrnet(image, spec, conventions)
    if len(head_planes) != len(maps):
        raise ValueError(
            f"`head_planes` must hold {len(maps)} numbers, got {list(head_planes)}."
        )
    if pyramid_outputs:
        x = pyramid(maps, spec)
    else:
        x = classification_features(maps, conventions, head_planes, features)
    if include_top:
        x = classification_head(x, classes)
    model = keras.Model(image, x, name=name or f"hrnet_c_w{width}")
    load_weights(model, weights, built)
    if include_top:
        model.compile(
            SGD(0.05, momentum=0.9, nesterov=True),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    return model

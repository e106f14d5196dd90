"""HRNetV1: top-down human pose, one heatmap a keypoint."""

from pathlib import Path

import keras

from hrnet_tf.networks.backbone import Stem, body, hrnet
from hrnet_tf.networks.constructors import (
    check_weights,
    image_input,
    load_weights,
    pyramid,
)
from hrnet_tf.networks.heads.heatmap import heatmap_head
from hrnet_tf.networks.layers import Conventions, LayerFactory, Upsampling
from hrnet_tf.networks.optimizers import Adam
from hrnet_tf.networks.transfer import Built
from hrnet_tf.tasks.keypoints.losses import KeypointLoss
from hrnet_tf.tasks.keypoints.metrics import KeypointAccuracy


def HRNetV1(
    width: int | str = 32,
    keypoints: int = 17,
    *,
    include_top: bool = True,
    pyramid_outputs: bool = False,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (256, 192, 3),
    upsampling: Upsampling = "nearest",
    bn_momentum: float = 0.9,
    synchronized: bool = False,
    modules: tuple[int, ...] | None = None,
    blocks: int | None = None,
    stem: Stem | None = None,
    normalization: LayerFactory | None = None,
    activation: LayerFactory | None = None,
    name: str | None = None,
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
        pyramid_outputs: return features by level in place of an answer, as backbones of
            KerasHub do: the body's maps `{"P2": ..., "P5": ...}`, `Pn` `(batch, height
            / 2**n, width / 2**n, width * 2**(n - 2))`. The model then has no head and
            is not compiled.
        weights: None for random weights, the path of a `.keras`, `.weights.h5`, `.pth`,
            `.safetensors` or `.npz` file of the same network, or the name of published
            ones: `"imagenet"` gives the body, the head stays random.
        input_shape: height, width (None: any) and 3. With nearest upsampling sides must
            be multiples of 32.
        upsampling: how low resolutions are brought to high ones: `"nearest"` (the
            published pose networks), `"bilinear"` or `"bilinear_align_corners"`.
        bn_momentum: batch norm's momentum, in Keras's sense.
        synchronized: share batch norm's statistics between the devices of a strategy.
        modules: modules in stages 2, 3 and 4 (published: 1, 4, 3).
        blocks: residual blocks a branch in each module (published: 4).
        stem: filters and stride of each of the two stem convolutions.
        normalization: layer class to use in place of batch norm; called with `name=`.
        activation: layer class to use in place of ReLU; called with `name=`.
        name: the model's name.

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
    spec = body(width, modules, blocks, stem)
    include_top = include_top and not pyramid_outputs
    built = Built(
        "HRNetV1",
        width,
        include_top,
        {"keypoints": keypoints, "upsampling": upsampling},
    )
    check_weights(weights, built)
    conventions = Conventions(
        upsampling, bn_momentum, synchronized, "normal", normalization, activation
    )
    image = image_input(input_shape, spec, upsampling)
    maps = hrnet(image, spec, conventions, high_resolution_only=not pyramid_outputs)
    x = pyramid(maps, spec) if pyramid_outputs else maps[0]
    if include_top:
        x = heatmap_head(x, keypoints, conventions)
    model = keras.Model(image, x, name=name or f"hrnet_v1_w{width}")
    load_weights(model, weights, built)
    if include_top:
        model.compile(
            Adam(0.001),
            loss=KeypointLoss(stride=spec.stride),
            metrics=[KeypointAccuracy(stride=spec.stride)],
        )
    return model

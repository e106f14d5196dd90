"""HRNetLandmarks: facial landmarks, one heatmap a point."""

from pathlib import Path

import keras

from hrnet_tf.networks.backbone import Stem, body, hrnet
from hrnet_tf.networks.constructors import (
    check_weights,
    image_input,
    load_weights,
    pyramid,
)
from hrnet_tf.networks.heads.dense import concatenate, dense_head
from hrnet_tf.networks.layers import Conventions, LayerFactory, Upsampling
from hrnet_tf.networks.transfer import Built


def HRNetLandmarks(
    width: int | str = 18,
    landmarks: int = 98,
    *,
    include_top: bool = True,
    pyramid_outputs: bool = False,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (256, 256, 3),
    upsampling: Upsampling = "bilinear",
    bn_momentum: float = 0.9,
    synchronized: bool = False,
    modules: tuple[int, ...] | None = None,
    blocks: int | None = None,
    stem: Stem | None = None,
    normalization: LayerFactory | None = None,
    activation: LayerFactory | None = None,
    name: str | None = None,
) -> keras.Model:
    """HRNetV2 on faces: one heatmap a landmark, from all resolutions.

    The model takes normalised RGB crops of faces, float `(batch, height, width, 3)`
    (see `hrnet_tf.preprocess_input`), and returns float32 heatmaps `(batch, height / 4,
    width / 4, landmarks)`. It is not compiled.

    Args:
        width: channels of the highest resolution (published: 18), or
            `"18_small_v1"` or `"18_small_v2"`.
        landmarks: number of heatmaps (published: 98 for WFLW, 68 for 300W, 29 for COFW,
            19 for AFLW).
        include_top: whether to add the head; without it the model returns the
            representation `(batch, height / 4, width / 4, 15 * width)`.
        pyramid_outputs: return features by level in place of an answer, as backbones of
            KerasHub do: the body's maps `{"P2": ..., "P5": ...}`, `Pn` `(batch, height
            / 2**n, width / 2**n, width * 2**(n - 2))`. The model then has no head and
            is not compiled.
        weights: None for random weights, the path of a `.keras`, `.weights.h5`, `.pth`,
            `.safetensors` or `.npz` file of the same network, or the name of published
            ones: `"imagenet"` gives the body, the head stays random.
        input_shape: height, width (None: any) and 3.
        upsampling: how low resolutions are brought to high ones: `"bilinear"` (half
            pixel: the published landmark networks), `"bilinear_align_corners"` or
            `"nearest"` (sides must then be multiples of 32).
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

    Source: Wang et al., Deep High-Resolution Representation Learning for Visual
    Recognition, https://arxiv.org/abs/1908.07919, section 6 (facial landmarks).

    Example:
        ```python
        model = hrnet_tf.HRNetLandmarks(width=18, landmarks=98)
        heatmaps = model(hrnet_tf.preprocess_input(faces))     # (batch, 64, 64, 98)
        ```
    """
    spec = body(width, modules, blocks, stem)
    include_top = include_top and not pyramid_outputs
    built = Built(
        "HRNetLandmarks",
        width,
        include_top,
        {"landmarks": landmarks, "upsampling": upsampling},
    )
    check_weights(weights, built)
    conventions = Conventions(
        upsampling, bn_momentum, synchronized, "normal", normalization, activation
    )
    image = image_input(input_shape, spec, upsampling)
    maps = hrnet(image, spec, conventions)
    x = pyramid(maps, spec) if pyramid_outputs else concatenate(maps, conventions)
    if include_top:
        x = dense_head(x, landmarks, conventions, name="head")
    model = keras.Model(image, x, name=name or f"hrnet_landmarks_w{width}")
    load_weights(model, weights, built)
    return model

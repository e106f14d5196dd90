"""HRNetLandmarks: facial landmarks, one heatmap a point."""

import keras
from typing_extensions import Unpack

from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.heads.dense import concatenate, dense_head
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.network import Network


@constructor()
def HRNetLandmarks(
    width: int | str = 18,
    landmarks: int = 98,
    *,
    pyramid_outputs: bool = False,
    input_shape: ImageShape = (256, 256, 3),
    upsampling: Upsampling = "bilinear",
    **shared: Unpack[Shared],
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
        **shared: those of all networks; see `Arguments`.

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
    network = Network(
        "HRNetLandmarks",
        {"landmarks": landmarks},
        Arguments(
            width=width,
            pyramid_outputs=pyramid_outputs,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
    )
    maps, conventions = network.body(), network.conventions
    x = network.pyramid(maps) if pyramid_outputs else concatenate(maps, conventions)
    if network.include_top:
        x = dense_head(x, landmarks, conventions, name="head")
    return network.model(x, "hrnet_landmarks")

"""HRNetV2p: the feature pyramid under the detectors."""

import keras
from typing_extensions import Unpack

from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.heads.dense import concatenate
from hrnet_tf.networks.heads.pyramid import pyramid_head
from hrnet_tf.networks.layers import Upsampling
from hrnet_tf.networks.network import Network


@constructor()
def HRNetV2p(
    width: int | str = 32,
    *,
    input_shape: ImageShape = (None, None, 3),
    upsampling: Upsampling = "nearest",
    **shared: Unpack[Shared],
) -> keras.Model:
    """HRNetV2p: five levels of features, the ground that detectors stand on.

    The model takes normalised RGB images, float `(batch, height, width, 3)`, and
    returns `{"P2": ..., "P6": ...}`: level `Pn` is float32 `(batch, height / 2**n,
    width / 2**n, 256)`. It has no loss of its own and is not compiled.

    Args:
        width: channels of the highest resolution (published: 18, 32, 40, 48), or
            `"18_small_v1"` or `"18_small_v2"`.
        include_top: whether to add the pyramid; without it the model returns the body's
            own maps `{"P2": ..., "P5": ...}` with `width * 2**i` channels.
        upsampling: the rule of the fuse layers; the pyramid itself resizes bilinearly.
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 3.4.

    Example:
        ```python
        levels = hrnet_tf.HRNetV2p(width=18)(images)    # images (1, 512, 768, 3)
        levels["P2"].shape                              # (1, 128, 192, 256)
        levels["P6"].shape                              # (1, 8, 12, 256)
        ```
    """
    network = Network(
        "HRNetV2p",
        {},
        Arguments(
            width=width,
            pyramid_outputs=False,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
        initializer="kaiming",
    )
    maps, conventions = network.body(), network.conventions
    if network.include_top:
        levels = pyramid_head(concatenate(maps, conventions), conventions)
    else:
        levels = network.pyramid(maps)
    return network.model(levels, "hrnet_v2p")

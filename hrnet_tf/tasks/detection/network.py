"""HRNetV2p: the feature pyramid under the detectors."""

from pathlib import Path

import keras

from hrnet_tf.networks.backbone import Stem, body, hrnet
from hrnet_tf.networks.constructors import (
    check_weights,
    image_input,
    load_weights,
    pyramid,
)
from hrnet_tf.networks.heads.dense import concatenate
from hrnet_tf.networks.heads.pyramid import pyramid_head
from hrnet_tf.networks.layers import Conventions, LayerFactory, Upsampling
from hrnet_tf.networks.transfer import Built


def HRNetV2p(
    width: int | str = 32,
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
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
    """HRNetV2p: five levels of features, the ground that detectors stand on.

    The model takes normalised RGB images, float `(batch, height, width, 3)`, and
    returns `{"P2": ..., "P6": ...}`: level `Pn` is float32 `(batch, height / 2**n,
    width / 2**n, 256)`. It has no loss of its own and is not compiled.

    Args:
        width: channels of the highest resolution (published: 18, 32, 40, 48), or
            `"18_small_v1"` or `"18_small_v2"`.
        include_top: whether to add the pyramid; without it the model returns the body's
            own maps `{"P2": ..., "P5": ...}` with `width * 2**i` channels.
        weights: None for random weights, the path of a `.keras`, `.weights.h5`, `.pth`,
            `.safetensors` or `.npz` file of the same network, or the name of published
            ones: `"imagenet"` gives the body, the head stays random.
        input_shape: height, width (None: any) and 3. With nearest upsampling sides must
            be multiples of 32.
        upsampling: the rule of the fuse layers; the pyramid itself resizes bilinearly.
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

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 3.4.

    Example:
        ```python
        levels = hrnet_tf.HRNetV2p(width=18)(images)    # images (1, 512, 768, 3)
        levels["P2"].shape                              # (1, 128, 192, 256)
        levels["P6"].shape                              # (1, 8, 12, 256)
        ```
    """
    spec = body(width, modules, blocks, stem)
    built = Built("HRNetV2p", width, include_top, {"upsampling": upsampling})
    check_weights(weights, built)
    conventions = Conventions(
        upsampling, bn_momentum, synchronized, "kaiming", normalization, activation
    )
    image = image_input(input_shape, spec, upsampling)
    maps = hrnet(image, spec, conventions)
    if include_top:
        outputs = pyramid_head(concatenate(maps, conventions), conventions)
    else:
        outputs = pyramid(maps, spec)
    model = keras.Model(image, outputs, name=name or f"hrnet_v2p_w{width}")
    load_weights(model, weights, built)
    return model

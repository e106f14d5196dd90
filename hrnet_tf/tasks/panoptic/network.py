"""HRNetPanoptic: Panoptic-DeepLab's two decoders on the body's four resolutions."""

import keras
from typing_extensions import Unpack

from hrnet_tf.common.compat import scaled_if_mixed
from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.heads.panoptic import panoptic_head
from hrnet_tf.networks.layers import Upsampling, dense_rule
from hrnet_tf.networks.network import Network
from hrnet_tf.networks.optimizers import Adam
from hrnet_tf.tasks.dense.shared_targets import SharedTargets
from hrnet_tf.tasks.panoptic.losses import CenterLoss, OffsetLoss, SemanticLoss

# Of the losses, as published.
WEIGHTS = {"semantic": 1.0, "center": 200.0, "offset": 0.01}


@constructor()
def HRNetPanoptic(
    width: int | str = 48,
    classes: int = 19,
    *,
    features: int | None = None,
    pyramid_outputs: bool = False,
    input_shape: ImageShape = (None, None, 3),
    upsampling: Upsampling = "bilinear",
    **shared: Unpack[Shared],
) -> keras.Model:
    """Panoptic-DeepLab on HRNet: classes of pixels, centres of things, ways to them.

    The model takes normalised RGB images of any size, float `(batch, height, width, 3)`
    (see `hrnet_tf.preprocess_input`), and returns float32 maps of `(batch, height / 4,
    width / 4, ...)`, sizes rounded up: `{"semantic": logits of classes, "center": one
    number, "offset": two}`, the way down and right to the centre of the thing, in
    cells. It is compiled: `fit(images, segments)` takes whole numbers `(batch, height,
    width)`: `class * 1000 + number`, where the number is 0 for stuff, 1 to 998 for the
    things of the class in this image and 999 for a crowd of them; the class 255 does
    not count. All three answers learn from them.

    Args:
        width: channels of the highest resolution (published: 48), or `"18_small_v1"` or
            `"18_small_v2"`.
        classes: number of classes, things and stuff.
        features: channels of the atrous pyramids and of the semantic decoder; half as
            many has that of things. None: 256, as published.
        include_top: whether to add the decoders; without them the model returns the
            body's maps by level, as with `pyramid_outputs`, and is not compiled.
        upsampling: how low resolutions are brought to high ones, in the fuse layers and
            in the decoders: `"bilinear"` (half pixel), `"bilinear_align_corners"` or
            `"nearest"` (the decoders stay bilinear then).
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Cheng et al., Panoptic-DeepLab, https://arxiv.org/abs/1911.10194.

    Example:
        ```python
        model = hrnet_tf.HRNetPanoptic(width=48, classes=19)
        model.fit(hrnet_tf.preprocess_input(images), segments)
        ```
    """
    arguments = Arguments(
        width=width,
        pyramid_outputs=pyramid_outputs,
        input_shape=input_shape,
        upsampling=upsampling,
        **shared,
    )
    network = Network("HRNetPanoptic", {"classes": classes}, arguments)
    maps = network.body()
    if not arguments.has_head:
        return network.model(network.pyramid(maps), "hrnet_panoptic")
    answers = panoptic_head(maps, classes, network.conventions, features=features)
    model = network.model(answers, "hrnet_panoptic", SharedTargets)
    rule = dense_rule(upsampling)
    model.compile(
        scaled_if_mixed(Adam(0.001)),
        loss={
            "semantic": SemanticLoss(rule),
            "center": CenterLoss(classes, upsampling=rule),
            "offset": OffsetLoss(classes, upsampling=rule),
        },
        loss_weights=WEIGHTS,
    )
    return model

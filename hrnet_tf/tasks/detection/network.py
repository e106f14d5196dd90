"""HRNetV2p, the feature pyramid, and the detectors that stand on it."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

import keras
from typing_extensions import Unpack

from hrnet_tf.common.compat import scaled_if_mixed
from hrnet_tf.networks.constructors import (
    Arguments,
    ImageShape,
    Shared,
    constructor,
)
from hrnet_tf.networks.heads.dense import concatenate
from hrnet_tf.networks.heads.pyramid import pyramid_head
from hrnet_tf.networks.layers import Upsampling, output_dtype
from hrnet_tf.networks.network import Network
from hrnet_tf.networks.optimizers import CoupledSGD
from hrnet_tf.tasks.detection.anchors import STRIDES
from hrnet_tf.tasks.detection.detector import Choosing, Detector, answer
from hrnet_tf.tasks.detection.heads import CHANNELS, FEATURES, Heads
from hrnet_tf.tasks.detection.learning import Learning
from hrnet_tf.tasks.detection.proposals import Proposing
from hrnet_tf.tasks.detection.suppression import Detecting
from hrnet_tf.tasks.detection.translation import translate

Numbers = TypeVar("Numbers", Proposing, Detecting, Learning)


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


@constructor()
def HRNetDetector(
    width: int | str = 32,
    classes: int = 80,
    *,
    cascade: bool = False,
    masks: bool = False,
    batch_statistics: bool = False,
    features: int = CHANNELS,
    hidden: int = FEATURES,
    proposals: Mapping[str, Any] | None = None,
    detections: Mapping[str, Any] | None = None,
    learning: Mapping[str, Any] | None = None,
    pyramid_outputs: bool = False,
    input_shape: ImageShape = (None, None, 3),
    upsampling: Upsampling = "nearest",
    **shared: Unpack[Shared],
) -> keras.Model:
    """Faster, Mask, Cascade or Cascade Mask R-CNN on HRNetV2p: what is where.

    The model takes `{"image": ..., "sizes": ...}`: normalised RGB images, float
    `(batch, height, width, 3)` (see `hrnet_tf.preprocess_input`), with zeros at the
    right and the bottom up to sides that are multiples of 32; and int32 `(batch, 2)`,
    height and width of what is image. Images alone are taken too: they are image up to
    their borders. It returns `{"boxes": ..., "scores": ..., "labels": ..., "counts":
    ...}`, best first and padded with zeros: float32 `(batch, 100, 4)` as x1, y1, x2, y2
    in pixels of the input, float32 `(batch, 100)`, int32 `(batch, 100)`, and how many
    are found, int32 `(batch,)`; with masks also `"masks"`, float32 `(batch, 100, 28,
    28)`: how likely each part of a box belongs to what is in it.

    It is compiled: `fit` takes such inputs with `{"boxes": ..., "labels": ...}`, float
    `(batch, n, 4)` and int `(batch, n)`, -1 where there is no box; with masks also
    `"masks"`, 0 or 1, `(batch, n, height, width)`; and if there are any `"crowds"`, 0
    or 1, `(batch, n)`: boxes of groups, which are no objects. The curves tell the
    losses by MMDetection's names, such as `loss_rpn_cls`.

    Args:
        width: channels of the highest resolution (published: 18, 32, 40), or
            `"18_small_v1"` or `"18_small_v2"`.
        classes: number of classes, without the background.
        cascade: refine boxes in three stages.
        masks: find the pixels of each object too.
        batch_statistics: let batch norm learn from the statistics of its batches; else
            it goes on with those that it has, as the published detectors do, and only
            its scale and shift learn.
        features: channels of the pyramid, and of the convolutions that stand on it
            (published: 256).
        hidden: numbers of each hidden layer of the box heads (published: 1024).
        proposals: how boxes are chosen that the heads look at, where it differs from
            the published way: attributes of
            `hrnet_tf.tasks.detection.proposals.Proposing` by name, such as `{"most":
            300}`.
        detections: likewise how objects are chosen:
            `hrnet_tf.tasks.detection.suppression.Detecting`, such as `{"least": 0.3}`.
            The axis of 100 in the answers is as long as `most`.
        learning: likewise what is learnt from:
            `hrnet_tf.tasks.detection.learning.Learning`, such as `{"regions": 64}`.
        include_top: whether to add the heads; without them the model returns the levels
            of the pyramid, `{"P2": ..., "P6": ...}`, and is not compiled.
        activation: layer class to use in place of the body's ReLU; called with `name=`.
        **shared: those of all networks; see `Arguments`.

    Returns:
        A functional `keras.Model`, a `hrnet_tf.tasks.detection.detector.Detector`.

    Raises:
        ValueError: if a size, a number or a name does not fit.

    Source: Wang et al., https://arxiv.org/abs/1908.07919, section 6; Ren et al.,
    https://arxiv.org/abs/1506.01497; He et al., https://arxiv.org/abs/1703.06870; Cai
    and Vasconcelos, https://arxiv.org/abs/1712.00726; numbers of MMDetection.

    Example:
        ```python
        model = hrnet_tf.HRNetDetector(width=18, classes=80)
        found = model(hrnet_tf.preprocess_input(images))    # images (1, 512, 768, 3)
        found["boxes"][0, : found["counts"][0]]             # (n, 4)
        ```
    """
    if classes < 1:
        raise ValueError(f"`classes` must be at least 1, got {classes}.")
    if min(features, hidden) < 1:
        raise ValueError(
            f"`features` and `hidden` must be at least 1, got {features} and {hidden}."
        )
    proposing = chosen(Proposing(), proposals, "proposals")
    detecting = chosen(Detecting(), detections, "detections")
    learns_from = chosen(Learning.published(cascade, masks), learning, "learning")
    network = Network(
        "HRNetDetector",
        {
            "classes": classes,
            "cascade": cascade,
            "masks": masks,
            "features": features,
            "hidden": hidden,
        },
        Arguments(
            width=width,
            pyramid_outputs=pyramid_outputs,
            input_shape=input_shape,
            upsampling=upsampling,
            **shared,
        ),
        initializer="kaiming",
        translate=translate,
    )
    if network.spec.stride != STRIDES[0]:
        raise ValueError(
            f"The anchors of detectors are for maps of strides {STRIDES[0]} to "
            f"{STRIDES[-1]}; the strides of `stem` must make {STRIDES[0]}, got "
            f"{network.spec.stem}."
        )
    maps, conventions = network.body(), network.conventions
    if pyramid_outputs:
        return network.model(network.pyramid(maps), "hrnet_v2p")
    levels = pyramid_head(concatenate(maps, conventions), conventions, features)
    if not network.include_top:
        return network.model(levels, "hrnet_v2p")
    sizes = keras.Input((2,), dtype="int32", name="sizes")
    answers = output_dtype(maps[0])
    heads = Heads.new(classes, cascade, masks, answers, features, hidden)
    model = network.model(
        answer(levels, sizes, heads, Choosing(proposing, detecting)),
        "hrnet_detector",
        Detector,
        beside={"sizes": sizes},
    )
    model.batch_statistics, model.learning = batch_statistics, learns_from
    model.compile(scaled_if_mixed(CoupledSGD(0.02, 0.9, coupled_weight_decay=1e-4)))
    return model


def chosen(
    published: Numbers, given: Mapping[str, Any] | None, argument: str
) -> Numbers:
    """Published numbers, with others in place of those that are given.

    Raises:
        ValueError: if there is no such number, or it is out of range.
    """
    given = dict(given or {})
    names = [field.name for field in fields(published)]
    if unknown := sorted(given.keys() - set(names)):
        raise ValueError(
            f"`{argument}` has no {', '.join(unknown)}; it has {', '.join(names)}."
        )
    return replace(published, **given)

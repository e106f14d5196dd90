"""The heads of detectors: layers that stand on the pyramid, and on crops of it.

A head is a few Keras layers, which belong to the model that it was built in. It is
called on symbolic tensors where a model is built, and on tensors in a training step.

Source: Ren et al., https://arxiv.org/abs/1506.01497, section 3.1; Lin et al.,
https://arxiv.org/abs/1612.03144, section 4; He et al.,
https://arxiv.org/abs/1703.06870, figure 4 (right); Cai and Vasconcelos,
https://arxiv.org/abs/1712.00726. Layers are named as in MMDetection's checkpoints.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from hrnet_tf.networks.layers import CHANNELS_LAST
from hrnet_tf.tasks.detection.anchors import RATIOS

CHANNELS = 256  # of the pyramid's levels, and of convolutions on them: published
FEATURES = 1024  # of the box head's hidden layers: published
BOX_SIDE, MASK_SIDE = 7, 14  # cells of what the heads see of a box
MASK_CONVOLUTIONS = 4
STAGES = 3  # of the cascade

PROPOSAL_HEAD, BOX_HEAD = "rpn_head", "roi_head.bbox_head"
MASK_HEAD = "roi_head.mask_head"


@keras.saving.register_keras_serializable("hrnet_tf")
class DenseOnMap(layers.Dense):
    """A fully connected layer on all cells of a map.

    Args:
        units: numbers to give.
        **kwargs: those of Keras's `Dense`.

    Call arguments:
        inputs: `(batch, height, width, channels)`, of known size.

    Returns:
        `(batch, units)`.

    Example:
        ```python
        DenseOnMap(10)(tf.ones((2, 7, 7, 256))).shape  # (2, 10)
        ```
    """

    def build(self, input_shape):
        """Make the weights for maps of this shape."""
        self._map = tuple(input_shape[1:])
        super().build((input_shape[0], int(np.prod(self._map))))
        self.input_spec = layers.InputSpec(ndim=4)

    def call(self, inputs, training=None):
        """Apply the layer; see the class."""
        return super().call(tf.reshape(inputs, (-1, int(np.prod(self._map)))))

    def compute_output_shape(self, input_shape):
        """Batch and units."""
        return (input_shape[0], self.units)

    def keras_layout(self, tensor: np.ndarray) -> np.ndarray:
        """PyTorch's layout to Keras's: there channels come before rows and columns."""
        height, width, channels = self._map
        if tensor.ndim != 2 or tensor.shape[1] != height * width * channels:
            return tensor.T
        tensor = tensor.reshape(len(tensor), channels, height, width)
        return tensor.transpose(2, 3, 1, 0).reshape(-1, len(tensor))


@dataclass(frozen=True)
class ProposalHead:
    """Where something may be, for each anchor of a level; all levels have one head.

    Attributes:
        hidden: a convolution with ReLU.
        objectness: logits, one an anchor.
        deltas: four an anchor; see `hrnet_tf.tasks.detection.boxes`.
    """

    hidden: layers.Layer
    objectness: layers.Layer
    deltas: layers.Layer

    @classmethod
    def new(cls, answers: str | None, channels: int = CHANNELS) -> "ProposalHead":
        """A head with random weights.

        Args:
            answers: type of what it gives.
            channels: of its convolution.
        """
        count = len(RATIOS)
        return cls(
            _conv(channels, 3, f"{PROPOSAL_HEAD}.rpn_conv", _normal(0.01), relu=True),
            _conv(count, 1, f"{PROPOSAL_HEAD}.rpn_cls", _normal(0.01), dtype=answers),
            _conv(
                4 * count, 1, f"{PROPOSAL_HEAD}.rpn_reg", _normal(0.01), dtype=answers
            ),
        )

    @classmethod
    def of(cls, model: keras.Model) -> "ProposalHead":
        """That of a model."""
        names = ("rpn_conv", "rpn_cls", "rpn_reg")
        return cls(*(model.get_layer(f"{PROPOSAL_HEAD}.{name}") for name in names))

    def __call__(self, level: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Objectness `(batch, h, w, 3)` and deltas `(batch, h, w, 12)` of a level."""
        x = self.hidden(level)
        return self.objectness(x), self.deltas(x)


@dataclass(frozen=True)
class BoxHead:
    """What is in a box, and where its borders are.

    Attributes:
        hidden: two fully connected layers with ReLU.
        logits: one a class, the background's last.
        deltas: four a class, or four for all classes alike.
    """

    hidden: tuple[layers.Layer, layers.Layer]
    logits: layers.Layer
    deltas: layers.Layer

    @classmethod
    def new(
        cls,
        name: str,
        classes: int,
        each_class: bool,
        answers: str | None,
        units: int = FEATURES,
    ) -> "BoxHead":
        """A head with random weights.

        Args:
            name: its layers' names begin so.
            classes: number of classes, without the background.
            each_class: whether every class has deltas of its own.
            answers: type of what it gives.
            units: of each hidden layer.
        """
        return cls(
            (
                DenseOnMap(units, "relu", name=f"{name}.shared_fcs.0"),
                layers.Dense(units, "relu", name=f"{name}.shared_fcs.1"),
            ),
            layers.Dense(
                classes + 1,
                kernel_initializer=_normal(0.01),
                dtype=answers,
                name=f"{name}.fc_cls",
            ),
            layers.Dense(
                4 * classes if each_class else 4,
                kernel_initializer=_normal(0.001),
                dtype=answers,
                name=f"{name}.fc_reg",
            ),
        )

    @classmethod
    def of(cls, model: keras.Model, name: str) -> "BoxHead":
        """That of a model whose layers' names begin so."""
        hidden = (model.get_layer(f"{name}.shared_fcs.{n}") for n in (0, 1))
        logits, deltas = (model.get_layer(f"{name}.{n}") for n in ("fc_cls", "fc_reg"))
        return cls(tuple(hidden), logits, deltas)

    def __call__(self, crops: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits `(boxes, classes + 1)` and deltas `(boxes, 4 * classes)` or of 4.

        Args:
            crops: `(boxes, 7, 7, channels)`.
        """
        x = crops
        for layer in self.hidden:
            x = layer(x)
        return self.logits(x), self.deltas(x)


@dataclass(frozen=True)
class MaskHead:
    """Which pixels of a box belong to what is in it.

    Attributes:
        hidden: four convolutions and one that doubles the size, with ReLU.
        logits: a map a class.
    """

    hidden: tuple[layers.Layer, ...]
    logits: layers.Layer

    @classmethod
    def new(
        cls, name: str, classes: int, answers: str | None, channels: int = CHANNELS
    ) -> "MaskHead":
        """A head with random weights and so many channels; see `BoxHead.new`."""
        convolutions = (
            _conv(channels, 3, f"{name}.convs.{n}.conv", _kaiming(), relu=True)
            for n in range(MASK_CONVOLUTIONS)
        )
        larger = layers.Conv2DTranspose(
            channels,
            2,
            2,
            activation="relu",
            data_format=CHANNELS_LAST,
            kernel_initializer=_kaiming(),
            name=f"{name}.upsample",
        )
        logits = _conv(classes, 1, f"{name}.conv_logits", _kaiming(), dtype=answers)
        return cls((*convolutions, larger), logits)

    @classmethod
    def of(cls, model: keras.Model, name: str) -> "MaskHead":
        """That of a model whose layers' names begin so."""
        names = [f"convs.{n}.conv" for n in range(MASK_CONVOLUTIONS)]
        *hidden, logits = (
            model.get_layer(f"{name}.{n}") for n in (*names, "upsample", "conv_logits")
        )
        return cls(tuple(hidden), logits)

    def __call__(self, crops: tf.Tensor) -> tf.Tensor:
        """Logits `(boxes, 28, 28, classes)`; crops are `(boxes, 14, 14, channels)`."""
        x = crops
        for layer in self.hidden:
            x = layer(x)
        return self.logits(x)


@dataclass(frozen=True)
class Heads:
    """All heads of a detector.

    Attributes:
        proposals: the one of all levels.
        boxes: one, or one for each stage of a cascade.
        masks: as many, or none.
    """

    proposals: ProposalHead
    boxes: tuple[BoxHead, ...]
    masks: tuple[MaskHead, ...]

    @classmethod
    def new(
        cls,
        classes: int,
        cascade: bool,
        masks: bool,
        answers: str | None,
        channels: int = CHANNELS,
        units: int = FEATURES,
    ) -> "Heads":
        """Heads with random weights.

        Args:
            classes: number of classes, without the background.
            cascade: whether there are three box heads.
            masks: whether there are mask heads.
            answers: type of what they give.
            channels: of the convolutions.
            units: of the box heads' hidden layers.
        """
        return cls(
            ProposalHead.new(answers, channels),
            tuple(
                BoxHead.new(name, classes, not cascade, answers, units)
                for name in _names(BOX_HEAD, cascade)
            ),
            tuple(
                MaskHead.new(name, classes, answers, channels)
                for name in (_names(MASK_HEAD, cascade) if masks else ())
            ),
        )

    @classmethod
    def of(cls, model: keras.Model) -> "Heads":
        """Those of a detector."""
        names = {layer.name for layer in model.layers}
        cascade = f"{BOX_HEAD}.0.fc_cls" in names
        masks = [
            name
            for name in _names(MASK_HEAD, cascade)
            if f"{name}.conv_logits" in names
        ]
        return cls(
            ProposalHead.of(model),
            tuple(BoxHead.of(model, name) for name in _names(BOX_HEAD, cascade)),
            tuple(MaskHead.of(model, name) for name in masks),
        )

    @property
    def cascade(self) -> bool:
        """Whether boxes go through stages."""
        return len(self.boxes) > 1


def _names(head: str, cascade: bool) -> tuple[str, ...]:
    """What names of the layers of a head begin with, one a stage."""
    return tuple(f"{head}.{stage}" for stage in range(STAGES)) if cascade else (head,)


def _conv(
    filters: int,
    side: int,
    name: str,
    initializer: keras.initializers.Initializer,
    relu: bool = False,
    dtype: str | None = None,
) -> layers.Layer:
    return layers.Conv2D(
        filters,
        side,
        padding="same",
        data_format=CHANNELS_LAST,
        activation="relu" if relu else None,
        kernel_initializer=initializer,
        dtype=dtype,
        name=name,
    )


def _normal(deviation: float) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=deviation)


def _kaiming() -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")

"""What Lite-HRNet is made of besides HRNet's own layers."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from hrnet_tf.networks.layers import CHANNELS_LAST


@keras.saving.register_keras_serializable("hrnet_tf")
class DepthwiseConvolution(layers.DepthwiseConv2D):
    """Keras's, which takes weights of checkpoints in PyTorch's layout."""

    @staticmethod
    def keras_layout(tensor: np.ndarray) -> np.ndarray:
        """`(channels, 1, height, width)` to `(height, width, channels, 1)`."""
        return tensor.transpose(2, 3, 0, 1) if tensor.ndim == 4 else tensor


@keras.saving.register_keras_serializable("hrnet_tf")
class Channels(layers.Layer):
    """Some of the channels of a map.

    Args:
        begin: the first of them.
        end: the one after the last.

    Call arguments:
        inputs: `(batch, height, width, channels)`.

    Returns:
        `(batch, height, width, end - begin)`.

    Example:
        ```python
        Channels(0, 2)(tf.ones((1, 8, 6, 4))).shape  # (1, 8, 6, 2)
        ```
    """

    def __init__(self, begin: int, end: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.begin, self.end = begin, end

    def call(self, inputs):
        """Cut them out; see the class."""
        return inputs[..., self.begin : self.end]

    def compute_output_shape(self, input_shape):
        """As the input's, with fewer channels."""
        return (*input_shape[:-1], self.end - self.begin)

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "begin": self.begin, "end": self.end}


@keras.saving.register_keras_serializable("hrnet_tf")
class Shuffle(layers.Layer):
    """Channels of several groups in turns: the first of each, the second of each, ...

    Args:
        groups: that lie side by side.

    Call arguments:
        inputs: `(batch, height, width, channels)`.

    Returns:
        The same channels in another order: `k` of group `i` is at `k * groups + i`.

    Source: Zhang et al., ShuffleNet, https://arxiv.org/abs/1707.01083, section 3.1.

    Example:
        ```python
        Shuffle(2)(tf.reshape(tf.range(4.0), (1, 1, 1, 4)))  # 0, 2, 1, 3
        ```
    """

    def __init__(self, groups: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.groups = groups

    def call(self, inputs):
        """Change the order; see the class."""
        channels = inputs.shape[-1]
        order = np.arange(channels).reshape(self.groups, -1).T.ravel()
        return tf.gather(inputs, order, axis=-1)

    def compute_output_shape(self, input_shape):
        """As the input's."""
        return input_shape

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "groups": self.groups}


def global_mean(x: tf.Tensor, *, name: str) -> tf.Tensor:
    """The mean over a map, `(batch, 1, 1, channels)`."""
    pool = layers.GlobalAveragePooling2D(
        data_format=CHANNELS_LAST, keepdims=True, name=name
    )
    return pool(x)

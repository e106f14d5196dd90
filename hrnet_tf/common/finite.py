"""Whether a network's numbers are numbers still."""

import keras
import tensorflow as tf


def not_finite(model: keras.Model) -> str | None:
    """The first variable of a model that holds NaN or infinity; None: all are finite.

    Args:
        model: any; its trainable variables and its statistics are looked at.

    Example:
        ```python
        not_finite(hrnet_tf.HRNetV1(width=18))  # None
        ```
    """
    places = [(layer.name, each) for layer in _leaves(model) for each in layer.weights]
    numbers = [(name, tf.convert_to_tensor(variable)) for name, variable in places]
    numbers = [(name, number) for name, number in numbers if number.dtype.is_floating]
    if not numbers:
        return None
    # Put together, so that a device is asked once.
    good = [tf.reduce_all(tf.math.is_finite(number)) for _, number in numbers]
    answers = tf.stack(good).numpy()
    return None if answers.all() else numbers[int(answers.argmin())][0]


def _leaves(model: keras.Model) -> list[keras.layers.Layer]:
    leaves = []
    for layer in model.layers:
        inside = isinstance(layer, keras.Model)
        leaves += _leaves(layer) if inside else [layer]
    return leaves

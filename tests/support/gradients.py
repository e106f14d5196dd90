"""Values and gradients of losses."""

import tensorflow as tf


def gradient(loss, y_true, y_pred):
    y_pred = tf.convert_to_tensor(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = loss(y_true, y_pred)
    return value, tape.gradient(value, y_pred)

"""A network that knows images by heart."""

import tensorflow as tf

from hrnet_tf.images.preprocess import preprocess_input


class Memory:
    """Answers with what belongs to the image that is most like the one it is shown.

    Args:
        images: uint8 RGB `(n, height, width, 3)`, as training shows them.
        answers: `(n, ...)`, what to answer.
    """

    def __init__(self, images, answers):
        self.images = preprocess_input(tf.concat(images, axis=0))
        self.answers = tf.concat(answers, axis=0)

    def __call__(self, images):
        """Normalised images `(batch, height, width, 3)` to answers `(batch, ...)`."""
        differences = tf.square(images[:, None] - self.images)
        nearest = tf.argmin(tf.reduce_mean(differences, axis=(2, 3, 4)), axis=1)
        return tf.gather(self.answers, nearest)

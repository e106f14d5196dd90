"""Networks of which only a part learns."""

import keras

from hrnet_tf.tasks.transfer import BODY


def freeze_body(network: keras.Model) -> None:
    """Let only the head learn; compile the model anew afterwards.

    Batch norm of the body goes on with the statistics that it has, in training too.

    Args:
        network: one of this package's networks.

    Example:
        ```python
        model = hrnet_tf.HRNetClassifier(18, classes=5, weights="imagenet")
        hrnet_tf.freeze_body(model)
        model.compile("adam", "sparse_categorical_crossentropy")
        ```
    """
    _set_trainable(network, False)


def unfreeze(network: keras.Model) -> None:
    """Let everything learn again; compile the model anew afterwards.

    Args:
        network: what `freeze_body` was given.
    """
    _set_trainable(network, True)


def _set_trainable(network: keras.Model, trainable: bool) -> None:
    for layer in network.layers:
        if BODY.match(f"{layer.name}."):
            layer.trainable = trainable

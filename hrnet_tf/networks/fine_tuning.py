"""Networks of which only a part learns."""

from collections.abc import Sequence

import keras

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.transfer import BODY


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
    for layer in network.layers:
        if BODY.match(f"{layer.name}."):
            layer.trainable = False


def freeze_layers(network: keras.Model, starts: Sequence[str]) -> None:
    """Keep some layers from learning; compile the model anew afterwards.

    Steps are quicker where the first layers are frozen: their gradients are not needed.

    Args:
        network: one of this package's networks.
        starts: of the layers' names, such as `["conv", "bn", "layer1"]`.

    Raises:
        InputError: if no layer's name begins so.
    """
    for start in starts:
        chosen = [layer for layer in network.layers if layer.name.startswith(start)]
        if not chosen:
            raise InputError(
                f"`train.freeze_layers`: no layer's name of {network.name} begins with "
                f"{start!r}; they are called {', '.join(_groups(network))}."
            )
        for layer in chosen:
            layer.trainable = False


def unfreeze(network: keras.Model) -> None:
    """Let everything learn again; compile the model anew afterwards.

    Args:
        network: what `freeze_body` or `freeze_layers` was given.
    """
    for layer in network.layers:
        layer.trainable = True


def _groups(network: keras.Model) -> list[str]:
    """First parts of the names of layers with weights, in order."""
    names = [layer.name.split(".")[0] for layer in network.layers if layer.weights]
    return list(dict.fromkeys(names))

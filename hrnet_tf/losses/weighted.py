"""Several losses of one output, added up."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("hrnet_tf")
class WeightedSum(keras.losses.Loss):
    """A weighted sum of losses that take the same arguments.

    Args:
        losses: Keras losses; each gives one number.
        weights: of each of them.

    Raises:
        ValueError: if there are not as many weights as losses.

    Example:
        ```python
        loss = WeightedSum([DenseCrossEntropy(), LovaszSoftmax()], [1.0, 0.5])
        ```
    """

    def __init__(
        self,
        losses: Sequence[keras.losses.Loss],
        weights: Sequence[float],
        name: str = "weighted_sum",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        if len(losses) != len(weights):
            raise ValueError(
                f"`weights` must have one number for each of the {len(losses)} losses, "
                f"got {len(weights)}."
            )
        self.losses = [keras.losses.get(loss) for loss in losses]
        self.weights = [float(weight) for weight in weights]

    def call(self, y_true, y_pred):
        """The sum; see the class."""
        pairs = zip(self.losses, self.weights, strict=True)
        return sum(weight * loss(y_true, y_pred) for loss, weight in pairs)

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "losses": [keras.losses.serialize(loss) for loss in self.losses],
            "weights": self.weights,
        }

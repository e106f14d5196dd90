"""Several losses of one output, added up."""

from collections.abc import Sequence
from typing import Any

import keras

from hrnet_tf.networks.sample_losses import SampleLoss, sample_values


@keras.saving.register_keras_serializable("hrnet_tf")
class WeightedSum(SampleLoss):
    """A weighted sum of losses that take the same arguments.

    Args:
        losses: Keras losses. Each gives one value a sample, or several, of which the
            mean is taken (the sum, if that is the loss's `reduction`), or one number a
            batch, which then knows no `sample_weight`.
        weights: of each of them.

    Call arguments:
        y_true: what the losses take.
        y_pred: what the losses take.
        sample_weight: what the losses take.

    Raises:
        ValueError: if there are not as many weights as losses.
        InputError: if there are weights of samples, and a loss gives one number for a
            batch.

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

    def values(self, y_true, y_pred, sample_weight):
        """The sum; see the class."""
        pairs = zip(self.losses, self.weights, strict=True)
        return sum(
            weight * sample_values(loss, y_true, y_pred, sample_weight)
            for loss, weight in pairs
        )

    def get_config(self):
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "losses": [keras.losses.serialize(loss) for loss in self.losses],
            "weights": self.weights,
        }

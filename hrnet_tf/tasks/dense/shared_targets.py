"""Networks with more outputs than answers: all of them learn from the same targets."""

from typing import Any

import keras

from hrnet_tf.common.compat import build_losses


@keras.saving.register_keras_serializable("hrnet_tf")
class SharedTargets(keras.Model):
    """A functional model whose outputs, a dict, all take the targets of its answer.

    Outputs that only help a network to learn, such as OCR's `auxiliary`, need no
    targets of their own: `fit` and `evaluate` take targets and weights as if there were
    one output. A dict with one entry an output is taken too.

    Example:
        ```python
        model = hrnet_tf.HRNetV2(width=18, classes=2, ocr=True)
        model.fit(hrnet_tf.preprocess_input(images), labels)
        model.predict(hrnet_tf.preprocess_input(images))["logits"]
        ```
    """

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        **more: Any,
    ) -> Any:
        """Keras's, with the targets of each output."""
        y, sample_weight = (_for_each(a, y_pred) for a in (y, sample_weight))
        return super().compute_loss(x, y, y_pred, sample_weight, **more)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Keras's, with the targets of each output."""
        y, sample_weight = (_for_each(a, y_pred) for a in (y, sample_weight))
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def make_train_function(self, force=False):
        """Keras's; what keeps the means of losses is there before the first step."""
        build_losses(self)
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        """Keras's; see `make_train_function`."""
        build_losses(self)
        return super().make_test_function(force)


def _for_each(targets, y_pred):
    if targets is None or isinstance(targets, dict) or not isinstance(y_pred, dict):
        return targets
    return dict.fromkeys(y_pred, targets)

"""How a detector learns inside of Keras's `fit`: a functional model with losses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.replicas import replicas
from hrnet_tf.tasks.detection.heads import Heads
from hrnet_tf.tasks.detection.learning import Learning, learn, names_of_losses


@dataclass(frozen=True)
class Curves:
    """Means of what is learnt over an epoch, by name; Keras does not save them."""

    means: dict[str, keras.metrics.Mean]

    @classmethod
    def new(cls, heads: Heads) -> "Curves":
        """Of the sum of all losses, and of each."""
        names = ["loss", *names_of_losses(heads)]
        return cls({name: keras.metrics.Mean(name=name) for name in names})

    def add(self, values: Mapping[str, tf.Tensor]) -> None:
        """Count what this device adds to sums over all devices."""
        for name, value in values.items():
            self.means[name].update_state(value * replicas())


class Learner(keras.Model):
    """A functional model that learns to detect.

    In training it does not detect: its call gives features, from which `compute_loss`
    makes proposals, and compares what the heads say of them with the targets. All
    devices of a strategy count as one: what losses are divided by is summed up over
    them. A subclass says what it stands on.
    """

    @property
    def heads(self) -> Heads:
        """What learns, besides body and pyramid."""
        raise NotImplementedError

    @property
    def learning(self) -> Learning:
        """Numbers of the training."""
        raise NotImplementedError

    def features(self, inputs: Any, training: bool) -> dict[str, Any]:
        """Lists of `levels`, `objectness` and `deltas`, and `sizes`."""
        raise NotImplementedError

    def call(self, inputs, training=None, mask=None):
        """What is found; in training what `compute_loss` goes on with."""
        if training:
            return self.features(inputs, training=True)
        return super().call(inputs, training=False)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The sum of all losses, each of which the curves tell by name."""
        if sample_weight is not None:
            raise InputError(
                "Detectors take no `sample_weight`: what they learn from is drawn from "
                "each image; leave it away."
            )
        check_targets(y, masks=bool(self.heads.masks))
        if "objectness" not in y_pred:  # an evaluation, which detects
            y_pred = self.features(x, training=False)
        values = learn(self.heads, self.learning, y_pred, y_pred["sizes"], y)
        losses = [value for name, value in values.items() if "loss" in name]
        loss = tf.add_n(losses)
        self._curves().add({"loss": loss, **values})
        return loss

    @property
    def metrics(self):
        """The losses by name, and the share of right classes."""
        return list(self._curves().means.values())

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """What they have been."""
        return self.get_metrics_result()

    def make_train_function(self, force=False):
        """Keras's; what a step writes to is there before the first one is traced.

        Raises:
            InputError: if `compile` was given a loss, which would have no effect, or
                asked for XLA.
        """
        if self.loss:
            raise InputError(
                "Detectors have losses of their own, of proposals, classes, boxes and "
                "masks; call `compile` without `loss`."
            )
        if self.jit_compile:
            raise InputError(
                "Detectors cannot learn under XLA: it needs sizes that are known before"
                ", and how many regions lie on each level of the pyramid is not; call "
                "`compile` without `jit_compile=True`."
            )
        self._curves()
        return super().make_train_function(force)

    def make_test_function(self, force=False):
        """Keras's; see `make_train_function`."""
        self._curves()
        return super().make_test_function(force)

    def _curves(self) -> Curves:
        if not hasattr(self, "_means"):
            with self.distribute_strategy.scope():
                self._means = Curves.new(self.heads)
        return self._means


def check_targets(targets: Any, masks: bool) -> None:
    """Raise an InputError unless targets have what a detector learns from."""
    needed = ("boxes", "labels", *["masks"] * masks)
    given = targets if isinstance(targets, Mapping) else {}
    if missing := [name for name in needed if name not in given]:
        kind = "with masks " if masks else ""
        raise InputError(
            f"Detectors {kind}learn from targets by name, {', '.join(needed)}; "
            f"missing: {', '.join(missing)}. See hrnet_tf.HRNetDetector."
        )

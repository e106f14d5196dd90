"""The addons lane: parts of tensorflow-addons, named by their import paths."""

import csv

import keras
import pytest

from hrnet_tf.common.compat import KERAS_3
from hrnet_tf.common.components import create
from hrnet_tf.common.config import Component
from hrnet_tf.common.errors import InputError
from hrnet_tf.training.train import train

LAMB = "tensorflow_addons.optimizers.LAMB"
LAYERS = "tensorflow_addons.layers"
addons_lane = pytest.mark.skipif(KERAS_3, reason="tensorflow-addons needs Keras 2")


@pytest.mark.skipif(not KERAS_3, reason="tensorflow-addons is installed")
def test_the_current_lane_says_where_addons_are():
    with pytest.raises(InputError, match=r"pip install hrnet-tf\[addons\]"):
        create(Component(LAMB), "train.optimizer")


def losses(run):
    with open(run.history, newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@addons_lane
@pytest.mark.usefixtures("shallow")
def test_lamb_trains_and_goes_on_after_an_interruption(configured, eagerly, tmp_path):
    settings = (
        f"train.optimizer.class_path={LAMB}",
        "train.optimizer.arguments={weight_decay: 0.01}",
        "train.steps_per_epoch=2",
    )
    whole = train(configured(*settings, f"output={tmp_path / 'whole'}"))
    first = train(configured(*settings, "train.epochs=1"))
    text = (first.folder / "config.yaml").read_text()
    (first.folder / "config.yaml").write_text(text.replace("epochs: 1", "epochs: 2"))
    resumed = train(configured(*settings))
    assert losses(resumed) == losses(whole)
    model = keras.models.load_model(resumed.last()[0])
    assert type(model.optimizer).__name__ == "LAMB"


@addons_lane
def test_a_loss_and_layers_of_addons_train(configured, eagerly):
    run = train(
        configured(
            "train.epochs=1",
            "train.steps_per_epoch=1",
            "train.drop_at=[]",
            "train.loss.class_path=tensorflow_addons.losses.SigmoidFocalCrossEntropy",
            f"model.normalization.class_path={LAYERS}.FilterResponseNormalization",
            f"model.activation.class_path={LAYERS}.TLU",
        )
    )
    kinds = {type(layer).__name__ for layer in run.model().layers}
    assert {"FilterResponseNormalization", "TLU"} <= kinds
    assert "BatchNormalization" not in kinds
    assert losses(run)[0] > 0


@addons_lane
def test_what_averages_no_weights_is_not_asked_to(configured):
    settings = (f"train.optimizer.class_path={LAMB}", "train.ema=0.9")
    with pytest.raises(InputError, match=r"`train.ema`.*LAMB cannot average weights"):
        train(configured(*settings))

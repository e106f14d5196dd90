"""Train on so many devices and write down what comes of it.

    python devices_child.py ANSWERS.npz 2 traced

Devices are those of one process, and have to be made before TensorFlow computes; of
strategies a process can have one. Where it is asked for, several devices take their
steps in a traced graph; eager steps, which a single device always takes, begin many
times sooner.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.networks.heads.classification import classification_head
from hrnet_tf.networks.heads.dense import concatenate, dense_head
from hrnet_tf.networks.heads.heatmap import heatmap_head
from hrnet_tf.networks.layers import Conventions
from hrnet_tf.networks.optimizers import CoupledSGD
from hrnet_tf.networks.weighted_losses import WeightedSum
from hrnet_tf.tasks.keypoints.losses import KeypointLoss
from hrnet_tf.tasks.keypoints.metrics import KeypointAccuracy
from hrnet_tf.tasks.panoptic.losses import CenterLoss, OffsetLoss, SemanticLoss
from hrnet_tf.tasks.regression.losses import DenseRegression
from hrnet_tf.tasks.regression.metrics import RegressionScore
from hrnet_tf.tasks.segmentation.dice import SoftDice
from hrnet_tf.tasks.segmentation.losses import (
    DenseCrossEntropy,
    HardPixelCrossEntropy,
    LovaszSoftmax,
)
from hrnet_tf.tasks.segmentation.metrics import PixelAccuracy, SegmentationScore

SIZE, SAMPLES, EPOCHS = 32, 6, 2
RATE = 0.1
NAN = float("nan")
RNG = np.random.default_rng(0)

# Unlike samples: what counts is not spread evenly over them.
IMAGES = RNG.standard_normal((SAMPLES, SIZE, SIZE, 3)).astype(np.float32)
MAPS = RNG.standard_normal((SAMPLES, 4, 4, 3)).astype(np.float32)
LABELS = RNG.integers(0, 3, (SAMPLES, 8, 8, 1))
LABELS[0], LABELS[1, :5], LABELS[2] = 255, 255, 1
DEPTH = RNG.uniform(0, 2, (SAMPLES, 8, 8)).astype(np.float32)
DEPTH[:2, 3:], DEPTH[3, 0, 0] = NAN, 50.0
SEGMENTS = RNG.integers(0, 3, (SAMPLES, 8, 8)) * 1000
SEGMENTS[:, 2:6, :3], SEGMENTS[1:3, :, 5:], SEGMENTS[4, 4:] = 1001, 2001, 255000
KEYPOINTS = RNG.uniform(0, SIZE, (SAMPLES, 3, 3)).astype(np.float32)
KEYPOINTS[..., 2] = RNG.integers(0, 2, (SAMPLES, 3))
CLASSES = RNG.integers(0, 3, SAMPLES)
OF_IMAGES = np.array([1, 0, 2, 0.5, 1, 3], np.float32)
OF_PIXELS = RNG.integers(0, 3, (SAMPLES, 8, 8)).astype(np.float32)
OF_KEYPOINTS = RNG.integers(0, 3, (SAMPLES, 3)).astype(np.float32)


class Whole(keras.losses.Loss):
    """A loss from elsewhere that gives one number for a batch."""

    def call(self, y_true, y_pred):
        return tf.reduce_mean(tf.square(tf.cast(y_true, y_pred.dtype) - y_pred))


def total(*losses):
    return WeightedSum(losses, [0.5] * len(losses))


# Losses by names, with the targets that they take.
LOSSES = {
    "cross_entropy": (DenseCrossEntropy(), LABELS),
    "class_weights": (DenseCrossEntropy(class_weights=(0.5, 2.0, 1.0)), LABELS),
    "hard": (HardPixelCrossEntropy(threshold=0.3, kept=40), LABELS),
    "many_hard": (HardPixelCrossEntropy(kept=10_000), LABELS),
    "lovasz": (LovaszSoftmax(per_image=True), LABELS),
    "dice": (SoftDice(), LABELS),
    "sum": (total(DenseCrossEntropy(), SoftDice()), LABELS),
    "l1": (DenseRegression("l1"), DEPTH),
    "l2": (DenseRegression("l2"), DEPTH),
    "berhu": (DenseRegression("berhu"), DEPTH),
    "semantic": (SemanticLoss(hardest=0.3, small_area=20), SEGMENTS),
    "center": (CenterLoss(3, sigma=1.0), SEGMENTS),
    "offset": (OffsetLoss(3), SEGMENTS),
    "keypoints": (KeypointLoss(8), KEYPOINTS),
    "hardest_keypoints": (KeypointLoss(8, hardest=2), KEYPOINTS),
    "another": (KeypointLoss(8, loss=keras.losses.MeanSquaredError()), KEYPOINTS),
    "keras": (total(keras.losses.MeanSquaredError()), MAPS[..., ::-1].copy()),
    "keras_sum": (
        WeightedSum([keras.losses.MeanSquaredError(reduction="sum")], [0.01]),
        MAPS[..., ::-1].copy(),
    ),
}
CHANNELS = {"l1": 1, "l2": 1, "berhu": 1, "center": 1, "offset": 2}
METRICS = {
    "cross_entropy": lambda: [SegmentationScore(3), PixelAccuracy()],
    "l1": lambda: [RegressionScore()],
    "keypoints": lambda: [KeypointAccuracy(8)],
}


def heads(names, optimizer=None, **losses):
    """A convolution for each loss, all of one model."""
    image = keras.Input((4, 4, 3))
    known = {name: loss for name, (loss, _) in LOSSES.items()} | losses
    outputs = {
        name: keras.layers.Conv2D(CHANNELS.get(name, 3), 1, use_bias=False, name=name)(
            image
        )
        for name in names
    }
    model = keras.Model(image, outputs)
    model.compile(
        optimizer or keras.optimizers.SGD(RATE),
        loss={name: known[name] for name in names},
        weighted_metrics={name: METRICS[name]() for name in names if name in METRICS},
    )
    return model


def tasks(synchronized, score):
    """The heads of all tasks on a short body, their losses and metrics."""
    conventions = Conventions("bilinear", synchronized=synchronized)
    image = keras.Input((SIZE, SIZE, 3))
    x, maps = conventions.conv_bn(image, 4, 3, 2, names=("conv1", "bn1")), []
    for level in range(4):
        names = (f"conv{level + 2}", f"bn{level + 2}")
        x = conventions.conv_bn(x, 4, 3, 2, names=names)
        maps.append(x)
    x = concatenate(maps, conventions)
    outputs = {
        "auxiliary": conventions.output_conv(x, 3, name="aux_head"),
        "logits": dense_head(x, 3, conventions, name="cls_head"),
        "heatmaps": heatmap_head(maps[0], 3, conventions),
        "classes": classification_head(x, 3),
        "numbers": dense_head(x, 1, conventions, name="last_layer"),
    }
    model = keras.Model(image, outputs)
    model.compile(
        keras.optimizers.SGD(0.1 * RATE),
        loss={
            "auxiliary": DenseCrossEntropy(),
            "logits": HardPixelCrossEntropy(threshold=0.3, kept=40),
            "heatmaps": KeypointLoss(4),
            "classes": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "numbers": DenseRegression("berhu"),
        },
        weighted_metrics={
            "logits": [score, PixelAccuracy()],
            "heatmaps": [KeypointAccuracy(4)],
            "classes": ["accuracy"],
            "numbers": [RegressionScore()],
        },
    )
    return model


def runs(synchronized, score):
    """What to train: names, models, their images, targets and weights."""
    targets = {name: target for name, (_, target) in LOSSES.items()}
    yield "unweighted", heads(list(targets)), MAPS, targets, None
    weights = dict.fromkeys(("class_weights", "hard", "another", "keras"), OF_IMAGES)
    weights |= dict.fromkeys(("cross_entropy", "lovasz", "dice", "l1"), OF_PIXELS)
    weights |= dict.fromkeys(("semantic", "center"), OF_PIXELS)
    weights["hardest_keypoints"] = OF_KEYPOINTS
    targets = {name: targets[name] for name in weights}
    yield "weighted", heads(list(targets)), MAPS, targets, weights
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.05])
    optimizer = CoupledSGD(rate, coupled_weight_decay=0.1, use_ema=True)
    whole = heads(["whole"], optimizer, whole=total(Whole()))
    yield "whole", whole, MAPS, {"whole": MAPS[..., ::-1].copy()}, None
    targets = {
        "auxiliary": LABELS,
        "logits": LABELS,
        "heatmaps": KEYPOINTS,
        "classes": CLASSES,
        "numbers": DEPTH,
    }
    yield (
        "tasks",
        tasks(synchronized, score),
        IMAGES,
        targets,
        dict.fromkeys(targets, OF_IMAGES),
    )


def train(strategy, traced):
    """Losses, metrics and weights of all runs, by names."""
    found = {}
    several = strategy.num_replicas_in_sync > 1
    with strategy.scope():
        keras.utils.set_random_seed(0)
        score = SegmentationScore(3)
        todo = list(runs(several, score))
    for run, model, images, targets, weights in todo:
        model.run_eagerly = not (several and traced)
        history = model.fit(
            images,
            targets,
            batch_size=SAMPLES,
            epochs=EPOCHS,
            shuffle=False,
            verbose=0,
            sample_weight=weights,
        ).history
        found |= {f"{run} {name}": np.array(row) for name, row in history.items()}
        for layer in model.layers:
            for number, values in enumerate(layer.get_weights()):
                found[f"{run} {layer.name} {number}"] = values
    # Of the last epoch alone.
    found["tasks confusion matrix"] = score.confusion_matrix.numpy()
    return found


def main(path, count, traced):
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 3,
    )
    strategy = tf.distribute.get_strategy()
    if count > 1:
        devices = [f"CPU:{number}" for number in range(count)]
        strategy = tf.distribute.MirroredStrategy(devices)
    found = train(strategy, traced)
    answers = {f"{count} {name}": value for name, value in found.items()}
    np.savez(path, **answers)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), "traced" in sys.argv)

"""Soft Dice: overlap of labels and probabilities, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.tasks.segmentation.dice import SoftDice
from support.gradients import gradient


@pytest.fixture
def batch(rng):
    """Labels of three classes, some ignored, and logits of a quarter of the size."""
    labels = rng.choice([0, 1, 2, 255], (2, 8, 12))
    return labels, rng.standard_normal((2, 2, 3, 3)).astype(np.float32)


def test_dice_by_hand():
    # Class 0: both 0.6, seen 0.6 + 0.3, true 1; class 1: both 0.7, seen 1.1, true 1.
    logits = np.log([[[[0.6, 0.4], [0.3, 0.7], [0.9, 0.1]]]]).astype(np.float32)
    expected = 1 - (2.2 / 2.9 + 2.4 / 3.1) / 2
    value = SoftDice()(np.array([[[0, 1, 255]]]), logits)
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_a_class_that_is_neither_there_nor_seen_costs_nothing():
    labels = np.zeros((1, 4, 4), int)
    logits = 100 * tf.one_hot(labels, 3)
    assert float(SoftDice()(labels, logits)) == pytest.approx(0, abs=1e-6)


def test_a_small_class_counts_like_a_large_one():
    labels = np.zeros((1, 40, 40), int)
    labels[0, :4, :5] = 1
    missed = 100 * tf.one_hot(np.zeros_like(labels), 2)
    # Class 0 is nearly right; of class 1, 20 pixels, nothing is.
    expected = 1 - (3161 / 3181 + 1 / 21) / 2
    assert float(SoftDice()(labels, missed)) == pytest.approx(expected, rel=1e-5)


def test_dice_descends(batch):
    labels, logits = batch
    value, change = gradient(SoftDice(), labels, logits)
    assert float(SoftDice()(labels, logits - change)) < float(value)

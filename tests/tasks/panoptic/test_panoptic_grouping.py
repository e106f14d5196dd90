"""Maps to segments: in a graph, in NumPy alone, and as it is by hand."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.networks.layers import resize_bilinear
from hrnet_tf.tasks.panoptic import decoder
from hrnet_tf.tasks.panoptic.grouping import find_centers, group
from hrnet_tf.tasks.panoptic.manifest import Grouping
from hrnet_tf.tasks.panoptic.segments import VOID

SKY, CAT, DOG = 0, 1, 2
THINGS = [False, True, True]
LOOSE = Grouping(window=3, stuff_area=1)


def both(labels, centers, offsets, grouping=LOOSE, things=THINGS):
    """What the graph says, which is what NumPy says."""
    labels = np.asarray(labels)
    scores = np.eye(len(things), dtype=np.float32)[labels]
    centers = np.asarray(centers, np.float32)
    offsets = np.asarray(offsets, np.float32)
    found = group(*map(tf.constant, (scores, centers, offsets)), things, grouping)
    alone = decoder.group(labels, centers, offsets, np.array(things), asdict(grouping))
    np.testing.assert_array_equal(found, alone)
    assert found.dtype == tf.int32
    return alone


def test_pixels_go_to_the_centre_that_their_offset_leads_to():
    labels = [[SKY, CAT, CAT, CAT, CAT, CAT]]
    centers = [[0, 0.5, 0, 0, 0, 0.9]]
    offsets = np.zeros((1, 6, 2))
    offsets[0, 2:, 1] = [2, -2, 1, 0]  # the third leads to the right, the fourth left
    found = both(labels, centers, offsets)
    assert found.tolist() == [[0, 1001, 1002, 1001, 1002, 1002]]


def test_rows_and_columns_are_not_exchanged():
    labels = np.full((5, 3), CAT)
    centers = np.zeros((5, 3))
    centers[0, 0] = centers[4, 0] = 1
    offsets = np.zeros((5, 3, 2))
    offsets[0, :, 0], offsets[4, :, 0] = 4, -4  # down from above, up from below
    found = both(labels, centers, offsets)
    assert found[0].tolist() == [1002] * 3
    assert found[4].tolist() == [1001] * 3


def test_most_pixels_say_which_class_a_thing_has():
    labels = [[CAT, CAT, DOG, SKY, DOG, CAT]]
    centers = [[0, 1, 0, 0, 1, 0]]
    found = both(labels, centers, np.zeros((1, 6, 2)))
    # Of equally many the first class; the second thing is a cat too.
    assert found.tolist() == [[1001, 1001, 1001, 0, 1002, 1002]]


def test_things_without_a_centre_and_little_stuff_are_void():
    labels = np.array([[CAT, SKY, SKY, DOG]])
    nothing = np.zeros((1, 4)), np.zeros((1, 4, 2))
    assert both(labels, *nothing).tolist() == [[VOID, 0, 0, VOID]]
    strict = replace(LOOSE, stuff_area=3)
    assert both(labels, *nothing, strict).tolist() == [[VOID] * 4]
    assert (
        both(np.zeros((3, 5), int), np.ones((3, 5)), np.zeros((3, 5, 2))) == 0
    ).all()


def test_centres_are_the_highest_around_and_of_all():
    heatmap = np.zeros((9, 11), np.float32)
    heatmap[1, 1], heatmap[2, 3], heatmap[7, 9], heatmap[4, 5] = 0.9, 0.8, 0.3, 0.1
    for window, expected in ((3, [[1, 1], [2, 3], [7, 9]]), (5, [[1, 1], [7, 9]])):
        grouping = Grouping(window=window)
        found = find_centers(tf.constant(heatmap), grouping)
        assert found.numpy().tolist() == expected
        alone = decoder.find_centers(heatmap, asdict(grouping))
        assert alone.tolist() == expected
    few = Grouping(window=3, most=2)
    assert find_centers(tf.constant(heatmap), few).numpy().tolist() == [[1, 1], [2, 3]]


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (40, 21)])
def test_numpy_alone_says_the_same_of_anything(size, rng):
    grouping = Grouping(0.3, 5, 7, 20)
    for _ in range(4):
        labels = rng.integers(0, 3, size)
        centers = rng.normal(0, 0.4, size)
        both(labels, centers, rng.normal(0, 6, (*size, 2)), grouping)


@pytest.mark.parametrize("align_corners", [False, True])
def test_maps_are_resized_as_in_the_graph(align_corners, rng):
    for size, wanted in (((5, 7), (18, 26)), ((1, 3), (4, 9)), ((8, 6), (8, 6))):
        maps = rng.standard_normal((*size, 2)).astype(np.float32)
        expected = resize_bilinear(tf.constant(maps[None]), wanted, align_corners)
        found = decoder.resize(maps, wanted, align_corners)
        np.testing.assert_allclose(found, expected[0], atol=1e-5)

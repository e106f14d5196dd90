import numpy as np
import pytest

from hrnet_tf.data.choice import in_rounds, spread


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [(9, 3, [0, 4, 8]), (3, 8, [0, 1, 2]), (1, 5, [0]), (100, 1, [0])],
)
def test_some_are_taken_from_everywhere(total, count, expected):
    np.testing.assert_array_equal(spread(total, count), expected)


@pytest.mark.parametrize("count", [1, 5, 7, 23])
def test_all_come_up_equally_often(count, rng):
    order = in_rounds(7, count, rng)
    times = np.bincount(order, minlength=7)
    assert len(order) == count
    assert times.max() - times.min() <= 1
    for start in range(0, count, 7):  # nobody twice in a round
        part = order[start : start + 7]
        assert len(set(part.tolist())) == len(part)

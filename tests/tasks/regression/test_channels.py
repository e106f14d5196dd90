"""What the numbers of a pixel are called, and how they follow the image."""

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.regression.channels import ChannelSet


def test_channels_follow_the_mirror_and_the_size():
    channels = ChannelSet(("x", "y", "depth"), ("x",), ("x", "y"), ("depth",))
    assert len(channels) == 3
    assert channels.signs.tolist() == [-1, 1, 1]
    assert channels.powers.tolist() == [1, 1, -1]
    assert channels.enlarged(2).tolist() == [2, 2, 0.5]
    assert channels.enlarged(0.5).dtype == np.float32
    in_graph = channels.enlarged(tf.constant(0.3))
    np.testing.assert_allclose(in_graph, channels.enlarged(0.3), rtol=1e-6)


WRONG = {
    "none": ({"names": ()}, "must name each number"),
    "twice": ({"names": ("a", "a")}, r"once, got \['a', 'a'\]"),
    "a mirror of another": (
        {"names": ("a",), "mirrored": ("b",)},
        "`mirrored` holds 'b', which is none of the channels a",
    ),
    "both ways": (
        {"names": ("a",), "per_pixel": ("a",), "nearer": ("a",)},
        "`per_pixel` and `nearer` both hold 'a'",
    ),
}


@pytest.mark.parametrize(("given", "text"), WRONG.values(), ids=WRONG)
def test_channels_that_make_no_sense_are_refused(given, text):
    with pytest.raises(InputError, match=text):
        ChannelSet(**given)

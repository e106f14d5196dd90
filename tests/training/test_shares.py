"""The rows that workers take of a batch: together what one process would have."""

import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.data.parallel import Share, in_parallel, own_rows, share_of
from hrnet_tf.tasks import make_experiment

SIZE = "model.size=[32, 32]"
WHERE = {
    "pose": ("annotations/person_keypoints_{}.json", "images/{}"),
    "bottom_up": ("annotations/person_keypoints_{}.json", "images/{}"),
    "detection": ("annotations/instances_{}.json", "images/{}"),
}
MORE = {
    "classification": [SIZE, "data.augmentation.brightness=0.4"],
    "segmentation": [SIZE, "data.augmentation.brightness=0.4"],
    "regression": [SIZE, "data.targets=depth", "data.unit_size=0.001"],
    "detection": ["data.scale=[64, 64]", "data.augmentation.brightness=0.4"],
    "bottom_up": ["model.size=[64, 64]"],
}
SHARES = [Share(0, 2), Share(1, 2)]


@pytest.fixture
def training_data(data, tmp_path):
    """`training_data(task)`: of the drawn figures, in batches of four."""

    def make(task):
        if task in WHERE:
            where = [
                f"data.{part}.{key}={data / path.format(name)}"
                for part, name in (("train", "train"), ("validation", "val"))
                for key, path in zip(
                    ("annotations", "images"), WHERE[task], strict=True
                )
            ]
        else:
            root = data / "classes/train" if task == "classification" else data
            where = [f"data.root={root}"]
        path = tmp_path / f"{task}.yaml"
        path.write_text(f"task: {task}\n")
        settings = [*where, *MORE.get(task, []), "train.batch_size=4"]
        experiment = make_experiment(hrnet_tf.read_config(path, settings))
        return experiment.training_data(experiment.make_manifest())

    return make


def rows_of(batches):
    return [tf.nest.flatten(batch) for batch in batches]


@pytest.mark.parametrize(
    "task",
    ["pose", "bottom_up", "classification", "segmentation", "regression", "detection"],
)
def test_shares_are_the_rows_of_whole_batches(task, training_data):
    data = training_data(task)
    whole = rows_of(data.batches(range(1), 2))
    parts = []
    for share in SHARES:
        with share_of(share):
            batches = own_rows(data.batches(range(1), 2), 4, share)
        assert {x.shape[0] for x in tf.nest.flatten(batches.element_spec)} == {2}
        parts.append(rows_of(batches))
    for batch, *own in zip(whole, *parts, strict=True):
        for all_rows, *some in zip(batch, *own, strict=True):
            if task == "detection":  # padded as far as the worker's own images need it
                all_rows, *some = (
                    np.asarray(x).reshape(len(x), -1).sum(axis=1, dtype=np.float64)
                    for x in (all_rows, *some)
                )
            np.testing.assert_array_equal(np.concatenate(some), all_rows)


@pytest.mark.parametrize("known", [True, False])
def test_a_task_that_makes_whole_batches_is_shared_out_too(known, caplog):
    def batches():
        numbers = tf.data.Dataset.range(12)
        return numbers.batch(4, drop_remainder=known)

    caplog.set_level("INFO", "hrnet_tf")
    found = [
        list(own_rows(batches(), 4, share).as_numpy_iterator()) for share in SHARES
    ]
    assert np.array(found).tolist() == [
        [[0, 1], [4, 5], [8, 9]],
        [[2, 3], [6, 7], [10, 11]],
    ]
    assert ("reads whole batches" in caplog.text) == known


def test_a_batch_that_is_no_share_ends_in_an_error():
    batches = tf.data.Dataset.range(7).batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have 4 rows"):
        list(own_rows(batches, 4, SHARES[0]))


def test_only_what_is_made_inside_is_shared():
    numbers = tf.data.Dataset.range(8)
    with share_of(SHARES[1]):
        own = in_parallel(numbers, 4, lambda x: x)
    whole = in_parallel(numbers, 4, lambda x: x)
    assert [x.tolist() for x in own.as_numpy_iterator()] == [[2, 3], [6, 7]]
    assert [len(x) for x in whole.as_numpy_iterator()] == [4, 4]

import math

import pytest

from hrnet_tf import InputError
from hrnet_tf.common.compat import AllDevicesScale
from hrnet_tf.common.config import TrainSection
from hrnet_tf.networks.accumulation import Accumulated
from hrnet_tf.training.recipe import learning_rate, make_optimizer, steps_in_epoch

EPOCHS, STEPS = 10, 5


def rate_at(step, **settings):
    section = TrainSection(epochs=EPOCHS, learning_rate=0.4, **settings)
    schedule = learning_rate(section, STEPS)
    return float(schedule(step)) if callable(schedule) else schedule


def test_without_a_schedule_the_rate_is_a_number():
    assert rate_at(7) == 0.4


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.4), (9, 0.4), (10, 0.04), (39, 0.04), (40, 0.004)]
)
def test_steps_drop_at_the_beginning_of_an_epoch(step, expected):
    assert rate_at(step, drop_at=(2, 8)) == pytest.approx(expected)


@pytest.mark.parametrize("step", [0, 10, 25, 40, 50])
def test_a_cosine_falls_from_the_first_rate_to_zero(step):
    expected = 0.4 * (1 + math.cos(math.pi * step / (EPOCHS * STEPS))) / 2
    assert rate_at(step, schedule="cosine") == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("step", [0, 1, 25, 50])
def test_a_polynomial_falls_from_the_first_rate_to_zero(step):
    expected = 0.4 * (1 - step / (EPOCHS * STEPS)) ** 0.9
    assert rate_at(step, schedule="poly") == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("step", [0, 4, 10, 30, 50])
def test_a_warm_up_rises_before_the_cosine_falls(step):
    rise = 2 * STEPS
    if step < rise:
        expected = 0.4 * step / rise
    else:
        share = (step - rise) / (EPOCHS * STEPS - rise)
        expected = 0.4 * (1 + math.cos(math.pi * share)) / 2
    found = rate_at(step, schedule="cosine", warmup_epochs=2)
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosine", "drop_at": (3,)}, "set train.drop_at="),
        ({"warmup_epochs": 1}, "set train.schedule=cosine"),
        ({"schedule": "poly", "warmup_steps": 9}, "set train.warmup_steps=0"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        rate_at(0, **settings)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.4 * 0.001),
        (4, 0.4 * (1 - 0.6 * 0.999)),
        (9, 0.4 * (1 - 0.1 * 0.999)),
        (10, 0.4),
        (14, 0.4),
        (15, 0.04),
        (40, 0.004),
    ],
)
def test_steps_may_begin_with_a_warm_up(step, expected):
    found = rate_at(step, drop_at=(3, 8), warmup_steps=10)
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_warm_up_is_saved_with_its_optimizer():
    section = TrainSection(learning_rate=0.4, warmup_steps=10, drop_at=(3,))
    schedule = learning_rate(section, 5)
    again = type(schedule).from_config(schedule.get_config())
    assert [float(again(i)) for i in (0, 20)] == [float(schedule(i)) for i in (0, 20)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 5),
        ({"accumulate": 2}, 3),
        ({"accumulate": 5}, 1),
        ({"accumulate": 2, "steps_per_epoch": 7}, 7),
    ],
)
def test_an_epoch_has_the_steps_of_a_larger_batch(settings, expected):
    section = TrainSection(batch_size=4, **settings)
    assert steps_in_epoch(section, 18) == expected
    batch = 4 * settings.pop("accumulate", 1)
    assert steps_in_epoch(TrainSection(batch_size=batch, **settings), 18) == expected


def test_a_step_does_not_take_more_batches_than_there_are():
    section = TrainSection(batch_size=4, accumulate=6)
    with pytest.raises(InputError, match="18 training samples make 5 batches of 4"):
        steps_in_epoch(section, 18)


@pytest.mark.parametrize("accumulate", [0, -1])
def test_a_step_takes_a_batch(accumulate):
    with pytest.raises(InputError, match=r"`train.accumulate` must be at least 1"):
        TrainSection(accumulate=accumulate)


def test_batches_accumulate_around_the_named_optimizer():
    plain = make_optimizer(TrainSection(), 5)
    around = make_optimizer(TrainSection(accumulate=3), 5)
    assert not isinstance(plain, Accumulated)
    assert isinstance(around, Accumulated)
    assert around.batches == 3
    assert type(around.inner_optimizer) is type(plain)


def test_several_devices_clip_what_they_have_together():
    section = TrainSection(clip_norm=1.0)
    assert not isinstance(make_optimizer(section, 5), Accumulated)
    around = make_optimizer(section, 5, devices=2)
    assert isinstance(around, Accumulated)
    assert around.batches == 1
    assert around.inner_optimizer.global_clipnorm == 1.0
    assert not isinstance(make_optimizer(TrainSection(), 5, devices=2), Accumulated)


def test_several_devices_leave_out_what_is_broken_on_any_of_them():
    section = TrainSection(precision="mixed_float16", accumulate=2)
    around = make_optimizer(section, 5, devices=2)
    assert isinstance(around, AllDevicesScale)
    assert isinstance(around.inner_optimizer, Accumulated)
    assert isinstance(make_optimizer(section, 5), Accumulated)  # `compile` adds Keras's


@pytest.mark.parametrize("settings", [{"accumulate": 2}, {"clip_norm": 1.0}])
def test_what_is_not_compiled_over_devices_is_refused(settings):
    with pytest.raises(InputError, match="over 2 devices neither"):
        make_optimizer(TrainSection(xla=True, **settings), 5, devices=2)
    make_optimizer(TrainSection(xla=True, **settings), 5)

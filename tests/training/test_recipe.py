import math

import pytest

from hrnet_tf import InputError
from hrnet_tf.common.config import TrainSection
from hrnet_tf.training.recipe import learning_rate

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

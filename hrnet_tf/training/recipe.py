"""How a network learns: optimizer, schedule, clipping, averaging."""

from typing import Any

import keras

from hrnet_tf.common.compat import optimizer_averages_weights
from hrnet_tf.common.components import create, find
from hrnet_tf.common.config import TrainSection
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.optimizers import WarmSteps

POLY_POWER = 0.9  # of the official segmentation recipes


def make_optimizer(settings: TrainSection, steps: int) -> keras.optimizers.Optimizer:
    """The configured optimizer, with schedule, clipping and averaging.

    Args:
        settings: the recipe.
        steps: an epoch.
    """
    more: dict[str, Any] = {"learning_rate": learning_rate(settings, steps)}
    if settings.clip_norm is not None:
        more["global_clipnorm"] = settings.clip_norm
    if settings.ema is not None:
        if not optimizer_averages_weights(find(settings.optimizer, "train.optimizer")):
            raise InputError(
                f"`train.ema`: {settings.optimizer.class_path} cannot average weights; "
                "take an optimizer of Keras, or leave train.ema away."
            )
        more |= {"use_ema": True, "ema_momentum": settings.ema}
    return create(settings.optimizer, "train.optimizer", **more)


def learning_rate(settings: TrainSection, steps: int) -> Any:
    """The rate over the whole training: a number, or a schedule of Keras.

    Args:
        settings: the recipe.
        steps: an epoch.
    """
    first, schedules = settings.learning_rate, keras.optimizers.schedules
    warmup = round(settings.warmup_epochs * steps)
    if settings.schedule != "step" and settings.drop_at:
        raise InputError(
            f"`train.drop_at` is {list(settings.drop_at)}, but a schedule "
            f"{settings.schedule} has no drops; set train.drop_at=[]."
        )
    if settings.schedule != "step" and settings.warmup_steps:
        raise InputError(
            f"`train.warmup_steps` is {settings.warmup_steps}, but a schedule "
            f"{settings.schedule} has no such warm-up; set train.warmup_steps=0."
        )
    if settings.schedule == "cosine":
        after = max(1, settings.epochs * steps - warmup)
        if not warmup:
            return schedules.CosineDecay(first, after)
        return schedules.CosineDecay(
            0.0, after, warmup_target=first, warmup_steps=warmup
        )
    if warmup:
        raise InputError(
            f"`train.warmup_epochs` is {settings.warmup_epochs}, but a schedule "
            f"{settings.schedule} has none; set train.schedule=cosine, or "
            "train.warmup_steps in place of it."
        )
    if settings.schedule == "poly":
        total = settings.epochs * steps
        return schedules.PolynomialDecay(first, total, 0.0, POLY_POWER)
    drops = settings.drop_at
    if settings.warmup_steps:
        changes = [epoch * steps for epoch in drops]
        factor = settings.drop_factor
        return WarmSteps(first, changes, factor, settings.warmup_steps)
    boundaries = [epoch * steps - 1 for epoch in drops]  # last steps with the old rate
    rates = [first * settings.drop_factor**number for number in range(len(drops) + 1)]
    return schedules.PiecewiseConstantDecay(boundaries, rates) if drops else first

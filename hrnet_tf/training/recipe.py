"""How a network learns: optimizer, schedule, clipping, averaging."""

from typing import Any

import keras

from hrnet_tf.common.compat import (
    clips_each_device,
    optimizer_averages_weights,
    scale_losses,
)
from hrnet_tf.common.components import create, find
from hrnet_tf.common.config import TrainSection
from hrnet_tf.common.errors import InputError
from hrnet_tf.networks.accumulation import Accumulated
from hrnet_tf.networks.optimizers import WarmSteps

POLY_POWER = 0.9  # of the official segmentation recipes


def steps_in_epoch(settings: TrainSection, samples: int) -> int:
    """How often an epoch changes the weights, each time by `accumulate` batches.

    Args:
        settings: the recipe.
        samples: there are to learn from.

    Raises:
        InputError: if there are fewer batches than one change takes.
    """
    batches = -(-samples // settings.batch_size)
    if settings.accumulate > max(1, batches):
        raise InputError(
            f"`train.accumulate` is {settings.accumulate}, but the {samples} training "
            f"samples make {batches} batches of {settings.batch_size}: set it to at "
            f"most {max(1, batches)}, or train.batch_size lower."
        )
    together = settings.batch_size * settings.accumulate
    return settings.steps_per_epoch or -(-samples // together)


def make_optimizer(
    settings: TrainSection, steps: int, devices: int = 1
) -> keras.optimizers.Optimizer:
    """The configured optimizer, with schedule, clipping, averaging and accumulation.

    Args:
        settings: the recipe.
        steps: changes of weights in an epoch.
        devices: that share a batch.

    Raises:
        InputError: if the optimizer does not do what is asked of it.
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
    optimizer = create(settings.optimizer, "train.optimizer", **more)
    # Around an optimizer gradients of devices are added up before it clips them.
    if settings.accumulate > 1 or (devices > 1 and clips_each_device(optimizer)):
        if devices > 1 and settings.xla:
            raise InputError(
                f"`train.xla`: over {devices} devices neither train.accumulate nor "
                "clipped gradients are compiled; set train.xla=false."
            )
        optimizer = Accumulated(optimizer, settings.accumulate)
    if devices > 1 and settings.precision == "mixed_float16":
        return scale_losses(optimizer)
    return optimizer


def learning_rate(settings: TrainSection, steps: int) -> Any:
    """The rate over the whole training: a number, or a schedule of Keras.

    Args:
        settings: the recipe.
        steps: changes of weights in an epoch.
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

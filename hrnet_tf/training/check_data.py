"""A look at a data set before training: counts, broken files, a sheet of samples."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.files import writing_together
from hrnet_tf.common.text_files import write_json
from hrnet_tf.data.survey import Survey
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks import open_experiment
from hrnet_tf.tasks.base.experiment import TrainingData
from hrnet_tf.training.configs import Config

SHOWN = 32  # samples on the sheet, at most


def check_data(config: Config, out: str | Path) -> dict[str, Survey]:
    """Read a whole data set and write down what is in it.

    Args:
        config: the experiment; broken samples are counted, whatever it says of them.
        out: folder to write to: `survey.json`, and `samples.jpg`, training samples as
            the network gets them, with their labels drawn.

    Returns:
        What is in each part, by its name.

    Raises:
        InputError: if there is nothing to read at all, or `out` holds a survey already.

    Example:
        ```python
        config = read_config("configs/pose/demo.yaml")
        print(check_data(config, "survey")["train"].table())
        ```
    """
    out = Path(out)
    if (out / "survey.json").exists():
        raise InputError(f"{out} holds a survey already; choose another --out.")
    data: Any = dataclasses.replace(config.data, on_error="skip")
    config = dataclasses.replace(config, data=data)
    experiment = open_experiment(config)
    manifest = experiment.make_manifest()
    training = experiment.training_data(manifest)
    surveys = {
        "train": training.survey(),
        "validation": experiment.evaluator(manifest).survey(),
    }
    facts = {part: survey.facts() for part, survey in surveys.items()}
    for part, survey in surveys.items():
        if not survey.usable:
            write_json(out / "survey.json", facts)
            such = f", such as {survey.broken[0]}" if survey.broken else ""
            raise InputError(
                f"{part}: none of {survey.samples} samples can be used{such}; "
                f"{out / 'survey.json'} lists what is broken."
            )
    with writing_together(out / "survey.json") as partial:
        write_json(partial, facts)
        sheet = draw_samples(training, config.train.batch_size)
        write_image(partial.with_name("samples.jpg"), sheet)
    return surveys


def draw_samples(training: TrainingData, batch_size: int) -> np.ndarray:
    """A sheet of training samples as the network gets them; each comes up once.

    Args:
        training: where they come from.
        batch_size: of the batches to look at.

    Returns:
        uint8 RGB. Broken samples, which are of one colour in a batch, are left out.
    """
    count = min(SHOWN, len(training))
    steps = -(-count // batch_size)
    # An epoch begins with every sample once.
    batches = [batch[:2] for batch in training.batches(range(1), steps).take(steps)]
    images, targets = tf.nest.map_structure(
        lambda *parts: _together([part.numpy() for part in parts])[:count],
        *batches,
    )
    pixels = tf.nest.flatten(images)[0]
    good = np.ptp(pixels, axis=(1, 2)).any(axis=1)
    images, targets = tf.nest.map_structure(
        lambda values: values[good], (images, targets)
    )
    return training.draw(images, targets)


def _together(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Batches one after another; what is smaller is padded with zeros at its ends."""
    largest = np.max([part.shape[1:] for part in parts], axis=0, initial=0)
    padded = []
    for part in parts:
        room = [(0, int(n)) for n in largest - np.array(part.shape[1:], np.int64)]
        padded.append(np.pad(part, [(0, 0), *room]))
    return np.concatenate(padded)

"""A look at a data set before training: counts, broken files, a sheet of samples."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_tf.config import Config
from hrnet_tf.data.survey import Survey
from hrnet_tf.errors import InputError
from hrnet_tf.experiments import make_experiment
from hrnet_tf.text_files import write_json
from hrnet_tf.visualize import contact_sheet, write_image

SHOWN = 32  # samples on the sheet
COLUMNS = 8


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
    experiment = make_experiment(config)
    manifest = experiment.make_manifest()
    training = experiment.training_data(manifest)
    surveys = {
        "train": training.survey(),
        "validation": experiment.evaluator(manifest).survey(),
    }
    steps = -(-SHOWN // config.train.batch_size)
    pictures: list[np.ndarray] = []
    for images, targets, *_ in training.batches(range(1), steps).take(steps):
        pictures += training.draw(images.numpy(), targets)
    write_image(out / "samples.jpg", contact_sheet(pictures[:SHOWN], COLUMNS))
    facts = {part: survey.facts() for part, survey in surveys.items()}
    write_json(out / "survey.json", facts)
    return surveys

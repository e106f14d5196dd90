"""Runs that trainings of tests leave."""

import csv

import keras
import numpy as np

SHORT = ("train.epochs=1", "train.steps_per_epoch=1", "train.drop_at=[]")


def state(run):
    """Every number of a training's newest checkpoint, by its place."""
    model = keras.models.load_model(str(run.last()[0]))
    variables = [*model.variables, *model.optimizer.variables]
    return [np.asarray(variable) for variable in variables]


def history(run):
    with open(run.history, newline="") as file:
        return list(csv.DictReader(file))

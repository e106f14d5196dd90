"""Trainings of every task that are killed again and again, and what comes of them."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import yaml

from support.kill_child import NO_KILL

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("kill_child.py")
STEPS = 2  # of an epoch
STEP, WRITE = "step", "write"  # kinds of moments
MOMENTS = 6  # of writing after an epoch: files that are made, renamed or removed
DELAYS = (0, 0, 1, 3)  # milliseconds: files are being written then
PEOPLE = ("annotations/person_keypoints_{}.json", "images/{}")
OBJECTS = ("annotations/instances_{}.json", "images/{}")
FACES = ("faces/faces_{}.csv", "faces/images/{}")
POINTS = {
    "pose": PEOPLE,
    "bottom_up": PEOPLE,
    "landmarks": FACES,
    "detection": OBJECTS,
}
DENSE = ("segmentation", "panoptic", "regression")
DETECTION = (
    "data.scale=[64,64]",
    "data.augmentation.short_sides=[48,64]",
    "model.features=16",
    "model.hidden=32",
    "model.proposals={before: 50, most: 50}",
    "model.detections={most: 10}",
    "train.learning={before: 50, proposals: 50, anchors: 16, regions: 16}",
)
# What is trained, and settings beyond those of `settings_of`.
SCENARIOS = {
    "pose, averaged weights": ("pose", "train.ema=0.9"),
    "pose, mixed precision": (
        "pose",
        "train.ema=0.9",
        "train.precision=mixed_float16",
        "train.drop_at=[3]",
    ),
    "bottom up, accumulated": ("bottom_up", "train.accumulate=2", "train.ema=0.9"),
    "landmarks, cosine schedule": (
        "landmarks",
        "train.schedule=cosine",
        "train.warmup_epochs=1",
        "train.validate_every=2",
    ),
    "detection": ("detection", *DETECTION),
    "detection, masks": (
        "detection",
        "model.masks=true",
        "train.ema=0.9",
        *DETECTION,
    ),
    "classification, colours": (
        "classification",
        "train.ema=0.9",
        "train.precision=mixed_float16",
        "data.augmentation.hue=0.1",
        "data.augmentation.contrast=0.2",
    ),
    "segmentation, mixed precision": (
        "segmentation",
        "train.precision=mixed_bfloat16",
        "train.accumulate=2",
    ),
    "segmentation, dropout": ("segmentation", "model.ocr=true", "train.ema=0.9"),
    "panoptic": ("panoptic", "train.ema=0.9", "model.features=8", "train.sigma=2"),
    "regression, clipped": ("regression", "train.ema=0.9", "train.clip_norm=1.0"),
}


def draw_data(folder):
    """Drawn data for all tasks."""
    from hrnet_tf.drawn.action_folders import write_class_folders
    from hrnet_tf.drawn.faces import draw_face_data_set
    from hrnet_tf.drawn.figures import draw_data_set
    from hrnet_tf.drawn.scenes import draw_scene_data_set

    draw_data_set(folder, train=12, validation=6)
    draw_face_data_set(folder / "faces", train=6, validation=4)
    draw_scene_data_set(folder / "scenes", train=6, validation=4)
    write_class_folders(folder, folder / "classes")


def write_configuration(task, data, path, epochs):
    """The file of a short training of a tiny network; see `draw_data`."""
    parts = {"root": str(data / "classes/train" if task == "classification" else data)}
    if task in POINTS:
        parts = {
            name: {
                key: str(data / place.format(part))
                for key, place in zip(
                    ("annotations", "images"), POINTS[task], strict=True
                )
            }
            for name, part in (("train", "train"), ("validation", "val"))
        }
    if task == "landmarks":
        parts["landmarks"] = "drawn"
    if task == "panoptic":
        parts["root"] = str(data / "scenes")
    if task == "regression":
        parts |= {"targets": "depth", "unit_size": 0.001, "missing": 0}
    content = {
        "task": task,
        "model": {
            "width": 4,
            "size": [64, 96] if task == "detection" else [64, 64],
            "modules": [1, 1, 1],
            "blocks": 1,
            "stem": [[8, 2], [8, 2]],
        },
        "data": parts,
        "train": {
            "epochs": epochs,
            "steps_per_epoch": STEPS,
            "batch_size": 2,
            "learning_rate": 0.001,
            **({} if task in DENSE else {"drop_at": []}),
        },
    }
    path.write_text(yaml.safe_dump(content))


def epochs_for(kills):
    """So many that no kill finds a training at its end: each leaves 1 more, or 2."""
    return kills + -(-kills // 2) + 1


def run_child(configuration, settings, output, moment=NO_KILL):
    """Train in a process of its own; whether it was killed."""
    command = [sys.executable, str(CHILD), str(configuration), moment]
    command += [f"output={output}", *settings]
    places = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": places}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(f"{command}: {done.stdout[-500:]}\n{done.stderr[-3000:]}")
    return done.returncode != 0


def kill_again_and_again(configuration, settings, output, kills, seed=0):
    """Go on with a training, and have it killed each time, while writing and in steps.

    It is killed while it writes its first state, or its second one, as often as in a
    step of a later epoch: the first state of a process is written by Keras, others are
    written beside the training.

    Returns:
        How often it was killed, by kind.
    """
    chance = random.Random(seed)
    killed = Counter()
    for number in range(kills):
        epoch = last_state(output)[1] + 1
        if (number + seed) % 2:
            moment = f"{STEP}:{epoch + 1}:{chance.randrange(STEPS)}"
        else:
            epoch += chance.randrange(2)
            place, delay = chance.randrange(MOMENTS), chance.choice(DELAYS)
            moment = f"{WRITE}:{epoch}:{place}:{delay}"
        assert run_child(configuration, settings, output, moment), moment
        killed[moment.split(":")[0]] += 1
    return killed


def last_state(output):
    """The newest state of a training, and its epochs."""
    found = sorted((Path(output) / "checkpoints").glob("epoch_[0-9]*[0-9].keras"))
    return (found[-1], int(found[-1].stem.split("_")[1])) if found else (None, 0)


def outcome(output):
    """All of a training that must be equal, by name: bytes of files, rows of scores."""
    folder = Path(output)
    state, epochs = last_state(folder)
    states = {path.name for path in state.parent.iterdir() if path.suffix != ".npz"}
    found = {"states": states, "epochs": epochs}
    for path in (state, state.with_name("best.keras")):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            for name in archive.namelist():
                content = archive.read(name)
                if name == "config.json":
                    content = json.loads(content, object_hook=_plain)
                if name != "metadata.json":  # the time
                    found[f"{path.name}: {name}"] = content
    others = ["manifest.json", "samples.npz", "overlays/*.jpg", "checkpoints/*.npz"]
    for path in (path for pattern in others for path in folder.glob(pattern)):
        found[str(path.relative_to(folder))] = path.read_bytes()
    with open(folder / "history.csv", newline="") as file:
        for row in csv.DictReader(file):
            del row["data_wait"]  # a time
            found[f"history: {row['epoch']}"] = row
    assert states == {"best.keras", state.name}
    return found


def _plain(part):
    """A part of a model's settings, without what processes name and number."""
    part.pop("shared_object_id", None)  # an address in memory
    # `compile` puts it around what it is given.
    if str(part.get("class_name")).startswith("LossScaleOptimizer"):
        return part["config"]["inner_optimizer"]
    if str(part.get("module")).endswith("optimizers"):
        part["config"].pop("name", None)  # adam_1
    return part


def differences(one, other):
    """Names of what differs between two outcomes."""
    return sorted(name for name in {**one, **other} if one.get(name) != other.get(name))

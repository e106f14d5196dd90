"""Trainings that cannot learn, or break down: they stop with a sentence."""

import json
import shutil

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf import InputError
from hrnet_tf.common.finite import not_finite
from hrnet_tf.drawn.faces import draw_face_data_set
from hrnet_tf.tasks import make_experiment
from hrnet_tf.training.callbacks import StaysFinite
from hrnet_tf.training.check_data import check_data
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import train

TASKS = (
    "pose",
    "landmarks",
    "bottom_up",
    "classification",
    "segmentation",
    "regression",
)
SMALL = """
  width: 4
  size: [64, 64]
  modules: [1, 1, 1]
  blocks: 1
  stem: [[8, 2], [8, 2]]
"""


PEOPLE = ("annotations/person_keypoints_{}.json", "images/{}")
FACES = ("faces/faces_{}.csv", "faces/images/{}")
POINTS = {"pose": PEOPLE, "bottom_up": PEOPLE, "landmarks": FACES}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    draw_face_data_set(folder, train=4, validation=3)
    return folder


@pytest.fixture
def data(data, faces):
    """The drawn figures and faces, to be damaged."""
    shutil.copytree(faces, data / "faces")
    return data


@pytest.fixture
def config_of(data, tmp_path):
    """`config_of(task, "key=value", ...)`: a short training of a tiny network."""

    def make(task, *settings):
        if task in POINTS:
            where = [
                f"data.{name}.{key}={data / path.format(part)}"
                for name, part in (("train", "train"), ("validation", "val"))
                for key, path in zip(
                    ("annotations", "images"), POINTS[task], strict=True
                )
            ]
            where += ["data.landmarks=drawn"] * (task == "landmarks")
        else:
            root = data / "classes/train" if task == "classification" else data
            where = [f"data.root={root}"]
        if task == "regression":
            where += ["data.targets=depth", "data.unit_size=0.001", "data.missing=0"]
        path = tmp_path / f"{task}.yaml"
        path.write_text(f"task: {task}\nmodel:{SMALL}")
        short = ["train.epochs=2", "train.steps_per_epoch=2", "train.batch_size=2"]
        drops = [] if task in ("segmentation", "regression") else ["train.drop_at=[]"]
        output = f"output={tmp_path / 'run'}"
        return hrnet_tf.read_config(path, [*where, *short, *drops, output, *settings])

    return make


@pytest.mark.parametrize("task", TASKS)
def test_a_loss_that_is_no_number_stops_the_training(task, config_of, eagerly, shallow):
    config = config_of(task, "train.learning_rate=1e30")
    with pytest.raises(
        InputError, match=r"broken down: .* of epoch 1; nothing is kept"
    ):
        train(config)
    folder = Run.open(config.output)
    assert list(folder.checkpoints.iterdir()) == []
    assert not folder.history.exists() or "nan" not in folder.history.read_text()


class Breaks(keras.losses.Loss):
    """A loss that is no number from some step on."""

    def __init__(self, after=3, name="breaks"):
        super().__init__(name=name)
        self.after = after
        self.steps = 0

    def call(self, y_true, y_pred):
        self.steps += 1
        loss = tf.reduce_mean(tf.square(tf.cast(y_pred, tf.float32)), axis=(1, 2, 3))
        return loss * (float("inf") if self.steps > self.after else 1.0)

    def get_config(self):
        return {"after": self.after, "name": self.name}


BREAKS = (
    f"train.loss.class_path={__name__}.Breaks",
    "train.steps_per_epoch=2",
    "train.batch_size=2",
)


def test_what_was_good_before_is_kept(configured, eagerly, shallow):
    config = configured(*BREAKS)
    said = (
        r"the loss is (nan|inf) in step 2 of epoch 2; the state after epoch 1 is kept"
    )
    with pytest.raises(InputError, match=f"{said}, and .*best.keras.*clip_norm=1.0"):
        train(config)
    run = Run.open(config.output)
    assert run.last()[1] == 1
    assert not_finite(run.model()) is None
    assert len(run.history.read_text().splitlines()) == 2
    assert not any("partial" in path.name for path in run.checkpoints.iterdir())


def test_other_settings_may_take_the_place_of_what_nothing_is_kept_of(
    configured, eagerly, shallow
):
    with pytest.raises(InputError, match="nothing is kept"):
        train(configured(*BREAKS, "train.loss.arguments={after: 0}"))
    assert train(configured("train.epochs=1", "train.drop_at=[]")).best.is_file()


def test_weights_that_break_in_the_last_step_are_not_kept(
    configured, eagerly, shallow, monkeypatch
):
    config = configured("train.steps_per_epoch=1")
    look = StaysFinite.on_epoch_end

    def spoil(self, epoch, logs=None):
        if epoch == 1:
            variable = self.model.layers[-1].trainable_variables[0]
            variable.assign(tf.fill(variable.shape, float("nan")))
        look(self, epoch, logs)

    monkeypatch.setattr(StaysFinite, "on_epoch_end", spoil)
    with pytest.raises(InputError, match=r"weights or statistics of .* are not finite"):
        train(config)
    assert Run.open(config.output).last()[1] == 1


def test_a_step_that_mixed_precision_leaves_out_does_not_stop(
    configured, eagerly, shallow
):
    config = configured(
        f"train.loss.class_path={__name__}.Falters",
        "train.precision=mixed_float16",
        "train.epochs=1",
        "train.drop_at=[]",
        "train.steps_per_epoch=4",
        "train.batch_size=2",
    )
    run = train(config)
    assert not_finite(run.model()) is None


class Falters(Breaks):
    """A loss that is infinite in one step."""

    def call(self, y_true, y_pred):
        self.steps += 1
        loss = tf.reduce_mean(tf.square(tf.cast(y_pred, tf.float32)), axis=(1, 2, 3))
        return loss * (float("inf") if self.steps == 2 else 1.0)


def test_mixed_precision_that_leaves_out_every_step_stops(configured, eagerly, shallow):
    config = configured(
        *BREAKS,
        "train.loss.arguments={after: 0}",
        "train.precision=mixed_float16",
    )
    with pytest.raises(InputError, match=r"the loss is \S+ in every step .*float32"):
        train(config)


def test_a_dead_network_is_not_taken(shallow_run, shallow, tmp_path):
    folder = tmp_path / "dead"
    shutil.copytree(shallow_run, folder)
    network = keras.models.load_model(str(Run.open(folder).best), compile=False)
    kernel = network.trainable_variables[0]
    kernel.assign(tf.fill(kernel.shape, float("inf")))
    network.save(Run.open(folder).best)
    with pytest.raises(InputError, match="of a training that has broken down"):
        hrnet_tf.load(folder)


def repaint(change):
    def spoil(data):
        for path in sorted((data / "masks").rglob("*.png")):
            mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert cv2.imwrite(str(path), change(mask))

    return spoil


def name_two_classes(data):
    (data / "classes.txt").write_text("background\nperson\n")
    repaint(lambda mask: np.where(mask > 0, 255, 0).astype(np.uint8))(data)


def keep_one_class(data):
    for folder in sorted((data / "classes/train").iterdir())[1:]:
        shutil.rmtree(folder)


def break_all(folder, suffixes=(".jpg", ".png")):
    def spoil(data):
        for path in sorted((data / folder).rglob("*")):
            if path.suffix in suffixes:
                path.unlink()
                path.write_bytes(b"\xff\xd8\xff no image")

    return spoil


def forget_depths(data):
    for path in sorted((data / "depth").rglob("*.png")):
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert cv2.imwrite(str(path), 0 * depth)


def forget_points(data):
    path = data / "faces/faces_train.csv"
    head, *rows = path.read_text().splitlines()
    columns = head.split(",")
    kept = [name.startswith("box_") or not place for place, name in enumerate(columns)]
    blank = [
        ",".join(
            value if keep else ""
            for value, keep in zip(row.split(","), kept, strict=True)
        )
        for row in rows
    ]
    path.write_text("\n".join([head, *blank]) + "\n")


HOPELESS = {
    "all pixels ignored": (
        "segmentation",
        repaint(lambda mask: np.full_like(mask, 255)),
        "no pixel counts: all are 255",
    ),
    "one class only": (
        "segmentation",
        repaint(lambda mask: 0 * mask),
        "all pixels that count are background; there must be pixels of two classes",
    ),
    "255 for a class": (
        "segmentation",
        name_two_classes,
        "all pixels that count are background, and .* % do not count: 255 never does",
    ),
    "no depth": ("regression", forget_depths, "no number is known"),
    "broken masks": ("segmentation", break_all("masks"), "none of 12 samples can be"),
    "broken maps": ("regression", break_all("depth"), "none of 12 samples can be read"),
    "broken images": ("pose", break_all("images/train"), "none of .* can be read"),
    "broken images to judge by": (
        "pose",
        break_all("images/val"),
        "none of .* can be read",
    ),
    "broken faces": (
        "landmarks",
        break_all("faces/images/train"),
        "faces_train.csv: none of 4 samples can be read, such as",
    ),
    "broken faces to judge by": (
        "landmarks",
        break_all("faces/images/val"),
        "faces_val.csv: none of 3 samples can be read, such as",
    ),
    "no points": (
        "landmarks",
        forget_points,
        "none of its points is annotated",
    ),
    "broken masks to judge by": (
        "segmentation",
        break_all("masks/val"),
        "validation: none of 6 samples can be read",
    ),
    "broken classes": (
        "classification",
        break_all("classes"),
        "none of .* samples can be read, such as",
    ),
    "one class folder": ("classification", keep_one_class, "holds 1 class folders"),
}


@pytest.mark.parametrize(("task", "spoil", "said"), HOPELESS.values(), ids=HOPELESS)
def test_nothing_to_learn_is_said_before_anything_is_written(
    task, spoil, said, config_of, data
):
    spoil(data)
    config = config_of(task, "data.on_error=skip")
    with pytest.raises(InputError, match=said):
        train(config)
    assert not (data.parent / "run").exists()


def test_nothing_to_judge_by_is_said_later_too(data, shallow_run, shallow):
    break_all("images/val")(data)
    images = f"data.validation.images={data / 'images/val'}"
    with pytest.raises(InputError, match=r"none of .* can be read"):
        evaluate_run(shallow_run, (images, "data.on_error=skip"), progress=False)


@pytest.mark.parametrize("spoil", [repaint(lambda mask: 0 * mask), name_two_classes])
def test_a_survey_warns_with_the_line_that_stops_a_training(
    spoil, data, config_of, tmp_path
):
    spoil(data)
    config = config_of("segmentation")
    with pytest.raises(InputError) as stopped:
        train(config)
    found = check_data(config, tmp_path / "survey")["train"]
    (line,) = found.warnings
    assert f"warning: {line}" in found.table()
    assert line.split(",")[0] in str(stopped.value)
    assert json.loads((tmp_path / "survey/survey.json").read_text())["train"][
        "warnings"
    ] == [line]


def test_a_survey_counts_what_does_not_count(data, config_of, tmp_path):
    def ignore_a_quarter(mask):
        mask[: mask.shape[0] // 2, : mask.shape[1] // 2] = 255
        return mask

    repaint(ignore_a_quarter)(data)
    found = check_data(config_of("segmentation"), tmp_path / "survey")["train"]
    assert any(note.startswith("do not count: ") for note in found.notes)
    assert "25.0 % (by their values 255: " in found.notes[0]


def test_a_survey_counts_files_without_a_partner(data, config_of, tmp_path):
    masks = sorted((data / "masks/train").iterdir())
    masks[0].unlink()
    (data / "masks/train/stray.png").write_bytes(masks[1].read_bytes())
    found = check_data(config_of("segmentation"), tmp_path / "survey")["train"]
    assert (found.samples, found.usable) == (13, 11)
    assert any("has no mask" in line for line in found.broken)
    assert any("there is no image" in line for line in found.broken)


def test_a_survey_counts_files_that_are_no_images(data, config_of, tmp_path):
    (data / "classes/train/notes.txt").write_text("no image")
    stray = sorted((data / "classes/train").glob("*/"))[0] / "notes.txt"
    stray.write_text("no image")
    found = check_data(config_of("classification"), tmp_path / "survey")
    parts = list(found.values())
    assert sum(part.samples for part in parts) == 13
    assert [line for part in parts for line in part.broken] == [
        f"{stray}: is no image by its name"
    ]


def test_a_survey_of_nothing_usable_is_a_mistake(data, config_of, tmp_path):
    break_all("masks/train")(data)
    with pytest.raises(InputError, match="train: none of 12 samples can be used, such"):
        check_data(config_of("segmentation"), tmp_path / "survey")
    facts = json.loads((tmp_path / "survey/survey.json").read_text())
    assert len(facts["train"]["broken"]) == 12


def test_keypoints_that_never_occur_are_named(data, config_of, caplog):
    path = data / "annotations/person_keypoints_train.json"
    content = json.loads(path.read_text())
    for item in content["annotations"]:
        item["keypoints"] = [0, 0, 0, *item.get("keypoints", [0] * 51)[3:]]
    path.write_text(json.dumps(content))

    experiment = make_experiment(config_of("pose"))
    experiment.training_data(experiment.make_manifest()).check()
    assert f"{path}: never seen: nose" in caplog.text

"""What a data set holds, of every task, before anything is trained on it."""

import json

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf import cli
from hrnet_tf.data.survey import Survey
from hrnet_tf.drawn.figures import ACTIONS, CLASSES
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.sheets import GAP
from hrnet_tf.tasks import make_experiment
from hrnet_tf.tasks.segmentation.masks import read_mask
from hrnet_tf.training.check_data import check_data, draw_samples


@pytest.fixture
def config_of(data, tmp_path):
    def make(task, *more):
        path = tmp_path / f"{task}.yaml"
        root = data / "classes/train" if task == "classification" else data
        path.write_text(
            f"task: {task}\nmodel: {{width: 4, size: [64, 64]}}\n"
            f"data: {{root: {root}}}\ntrain: {{batch_size: 4}}\n"
        )
        return path

    return make


def test_pixels_are_counted_by_class(data, config_of, tmp_path):
    config = hrnet_tf.read_config(config_of("segmentation"))
    surveys = check_data(config, tmp_path / "out")
    masks = [read_mask(path) for path in sorted((data / "masks/train").iterdir())]
    expected = np.bincount(np.concatenate(masks, axis=None), minlength=len(CLASSES))
    assert surveys["train"].counts == dict(zip(CLASSES, expected.tolist(), strict=True))
    assert (surveys["train"].samples, surveys["validation"].samples) == (12, 6)
    sheet = hrnet_tf.read_image(tmp_path / "out" / "samples.jpg")
    rows, columns = 2, 8  # 12 samples, each once
    assert sheet.shape[1] == columns * 256 + (columns + 1) * GAP
    assert rows * 256 < sheet.shape[0] < (rows + 1) * 256
    facts = json.loads((tmp_path / "out" / "survey.json").read_text())
    assert facts["train"]["counts"] == surveys["train"].counts
    with pytest.raises(hrnet_tf.InputError, match="holds a survey already"):
        check_data(config, tmp_path / "out")


def test_broken_masks_are_listed(data, config_of, tmp_path):
    victims = sorted((data / "masks/train").iterdir())
    victims[0].write_bytes(b"no image")
    surveys = check_data(
        hrnet_tf.read_config(config_of("segmentation")), tmp_path / "out"
    )
    (line,) = surveys["train"].broken
    assert victims[0].stem in line
    assert surveys["validation"].broken == ()


def test_images_are_counted_by_class_and_broken_ones_listed(data, config_of, tmp_path):
    victim = next((data / "classes" / "train").glob("*/*.jpg"))
    victim.unlink()
    victim.write_bytes(b"\xff\xd8\xff no image")
    surveys = check_data(
        hrnet_tf.read_config(config_of("classification")), tmp_path / "out"
    )
    parts = surveys["train"], surveys["validation"]
    assert [set(part.counts) for part in parts] == [set(ACTIONS)] * 2
    assert [sum(part.counts.values()) for part in parts] == [p.samples for p in parts]
    assert sum(part.samples for part in parts) == 12
    (line,) = (line for part in parts for line in part.broken)
    assert str(victim) in line


def test_keypoints_are_counted_and_broken_images_listed(
    data, experiment, tmp_path, capsys
):
    image = sorted((data / "images" / "train").iterdir())[0]
    image.write_bytes(b"no image")
    out = tmp_path / "out"
    settings = [f"data.train.images={data / 'images/train'}"]
    cli.main(["data", "check", str(experiment), *settings, "--out", str(out)])
    facts = json.loads((out / "survey.json").read_text())["train"]
    assert list(facts["counts"])[:2] == ["nose", "left_eye"]
    assert 0 < facts["counts"]["nose"] <= facts["samples"]
    assert len(facts["broken"]) == 1
    assert image.name in facts["broken"][0]
    printed = capsys.readouterr().out
    assert "annotated keypoints" in printed
    assert f"look at {out / 'samples.jpg'}" in printed


def test_labels_that_never_occur_are_named():
    survey = Survey(3, "images", {"cat": 3, "dog": 0}, tuple("abcdefghijkl"))
    table = survey.table()
    assert "never seen: dog" in table
    assert "cat            3 " + 40 * "#" in table
    assert "and 2 more broken samples" in table


COLORS = np.array(
    [(220, 40, 40), (40, 220, 40), (40, 40, 220), (220, 220, 40), (40, 220, 220)],
    np.uint8,
)


def seen_in(pictures):
    """Which of the colours each picture mostly has."""
    means = np.stack([picture.reshape(-1, 3).mean(axis=0) for picture in pictures])
    return np.linalg.norm(means[:, None] - COLORS, axis=-1).argmin(axis=1)


@pytest.mark.parametrize("batch_size", [2, 32])
@pytest.mark.parametrize("task", ["segmentation", "regression"])
def test_the_sheet_shows_every_good_sample_once(task, batch_size, tmp_path, rng):
    root = tmp_path / "data"
    for number in range(len(COLORS) + 1):
        image = COLORS[number % 5] + rng.integers(0, 30, (40, 40, 3), np.uint8)
        write_image(root / "images" / "train" / f"{number}.png", image)
        target = np.full((40, 40), number % 2, np.uint8)
        write_image(root / "masks" / "train" / f"{number}.png", target)
        write_image(root / "images" / "val" / f"{number}.png", image)
        write_image(root / "masks" / "val" / f"{number}.png", target)
    broken = root / "images" / "train" / "5.png"
    broken.write_bytes(broken.read_bytes()[:60])
    (root / "classes.txt").write_text("background\nthing\n")
    path = tmp_path / "config.yaml"
    path.write_text(
        f"task: {task}\nmodel: {{width: 4, size: [32, 32]}}\n"
        f"data: {{root: {root}, on_error: skip, augmentation: {{scale: [1, 1]}}}}\n"
        f"train: {{batch_size: {batch_size}}}\n"
    )
    more = ["data.targets=masks"] if task == "regression" else []
    experiment = make_experiment(hrnet_tf.read_config(path, more))
    training = experiment.training_data(experiment.make_manifest())
    shown = []
    draw = training.draw

    def keep(images, targets):
        shown.extend(images)
        return draw(images, targets)

    training.draw = keep
    sheet = draw_samples(training, batch_size)
    assert sorted(seen_in(shown)) == [0, 1, 2, 3, 4]
    assert sheet.shape[1] == 5 * 256 + 6 * GAP
    assert not (sheet == 0).all(axis=-1).any()


def test_people_are_checked_as_training_does(configured, data, tmp_path):
    def change(part, alter):
        path = data / f"annotations/person_keypoints_{part}.json"
        content = json.loads(path.read_text())
        alter(content)
        path.write_text(json.dumps(content))
        return path, data / "images" / part

    def damage(content):
        people = [a for a in content["annotations"] if "keypoints" in a]
        people[0]["bbox"] = [1e7, 0, 5, 5]
        people[1]["num_keypoints"] = 0
        people[2]["area"] = -1

    settings = []
    for part, name, alter in (
        ("train", "train", damage),
        ("validation", "val", lambda content: None),
    ):
        annotations, images = change(name, alter)
        settings.append(f"data.{part}.annotations={annotations}")
        settings.append(f"data.{part}.images={images}")
    files = sorted((data / "images/val").iterdir())
    files[0].unlink()
    files[1].write_bytes(b"no image")
    surveys = check_data(configured(*settings), tmp_path / "out")
    (broken,) = surveys["train"].broken
    assert "lies outside the image" in broken
    notes = "\n".join(surveys["train"].notes)
    assert "1 times: `num_keypoints` is missing or not what" in notes
    assert "1 times: `area` is missing or none" in notes
    assert len(surveys["validation"].broken) >= 2
    assert "does not exist" in surveys["validation"].table()
    assert "cannot be decoded" in surveys["validation"].table()

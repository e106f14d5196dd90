"""Every task reads data that lie elsewhere, by one rule."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf import cli
from hrnet_tf.common.errors import InputError
from hrnet_tf.data.localized import localized
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks import TASKS, open_experiment
from hrnet_tf.tasks.classification.shards import write_shards
from hrnet_tf.training.check_data import check_data

pytestmark = pytest.mark.usefixtures("cache")


def put_on(store, folder, name):
    """Everything in a folder, on a server or in an object store, under a name."""
    files = {
        f"/{name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    store.pipe(files) if hasattr(store, "pipe") else store.files.update(files)


@pytest.fixture
def pose(experiment, data_folder):
    """The configuration of figures whose data lie below an address."""

    def make(address, *more):
        given = {
            f"data.{part}.{key}": f"{address}/{place}"
            for part, short in (("train", "train"), ("validation", "val"))
            for key, place in (
                ("annotations", f"annotations/person_keypoints_{short}.json"),
                ("images", f"images/{short}"),
            )
        }
        settings = [f"{key}={value}" for key, value in given.items()]
        return hrnet_tf.read_config(experiment, [*settings, *more])

    return make


@pytest.mark.parametrize("store", ["server", "memory"])
def test_people_are_read_as_from_here(store, request, pose, experiment, data_folder):
    there = request.getfixturevalue(store)
    put_on(there, data_folder, "figures")
    config = pose("memory://figures" if store == "memory" else f"{there.url}/figures")
    here = open_experiment(hrnet_tf.read_config(experiment))
    elsewhere = open_experiment(config)
    found = []
    for opened in (here, elsewhere):
        manifest = opened.make_manifest()
        training = opened.training_data(manifest)
        found.append((len(training), len(opened.evaluator(manifest))))
        images, *_ = next(iter(training.batches(range(1), 1)))
        found[-1] = (*found[-1], float(np.sum(images)))
    assert found[0] == found[1]
    assert config.data.train.images.endswith("/figures/images/train")  # what is kept


def test_data_check_reads_them_too(server, pose, data_folder, tmp_path):
    put_on(server, data_folder, "figures")
    surveys = check_data(pose(f"{server.url}/figures"), tmp_path / "out")
    assert surveys["train"].broken == ()
    assert surveys["validation"].samples > 0


def test_an_image_that_is_missing_there_is_a_broken_sample(
    server, pose, data_folder, tmp_path
):
    put_on(server, data_folder, "figures")
    victim = next(name for name in server.files if "/images/train/" in name)
    del server.files[victim]
    surveys = check_data(pose(f"{server.url}/figures"), tmp_path / "out")
    assert any(Path(victim).name in line for line in surveys["train"].broken)


def test_the_key_is_named(server, pose):
    with pytest.raises(
        InputError, match=r"`data.train.annotations`: There is no http.*train.json"
    ):
        localized(pose(f"{server.url}/figures"))


def test_folders_of_the_web_need_annotations_that_name_images(server, pose):
    server.files["/points.txt"] = b"1 2 3"
    config = pose("file:///nowhere", f"data.train.images={server.url}/i")
    train = replace(config.data.train, annotations=f"{server.url}/points.txt")
    config = replace(config, data=replace(config.data, train=train))
    with pytest.raises(InputError, match=r"only annotations in JSON.*points.txt"):
        localized(config)


@pytest.fixture
def pictures(tmp_path):
    """A folder of images for each of two classes."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(4):
            image = rng.integers(0, 256, (8, 8, 3), np.uint8)
            path = tmp_path / "pictures" / name / f"{number}.png"
            write_image(path, image)
    return tmp_path / "pictures"


@pytest.fixture
def classes(tmp_path):
    def make(root):
        path = tmp_path / "classes.yaml"
        path.write_text(f"task: classification\ndata: {{root: '{root}'}}\n")
        return hrnet_tf.read_config(path)

    return make


def test_folders_of_classes_are_listed(memory, pictures, classes):
    put_on(memory, pictures, "pictures")
    root = Path(localized(classes("memory://pictures")).data.root)
    assert root.name == "pictures"
    assert sorted(x.name for x in root.iterdir()) == ["a", "b"]


def test_folders_of_classes_are_refused_on_the_web(server, classes):
    with pytest.raises(InputError, match=r"`data.root`: .*no index.json of shards"):
        localized(classes(f"{server.url}/pictures"))


@pytest.mark.parametrize("store", ["server", "memory"])
def test_shards_are_read_from_anywhere(store, request, pictures, classes, tmp_path):
    there = request.getfixturevalue(store)
    write_shards(pictures, tmp_path / "shards", shards=2, workers=1)
    put_on(there, tmp_path / "shards", "shards")
    root = "memory://shards" if store == "memory" else f"{there.url}/shards"
    training, validation = open_experiment(classes(root)).images
    assert len(training) + len(validation) == 8
    assert training.classes == ("a", "b")


def test_nothing_changes_where_all_lies_here(experiment):
    config = hrnet_tf.read_config(experiment)
    assert localized(config) is config


def test_every_task_has_keys_that_are_known_as_folders():
    """A task whose folders had other names would take them for files."""
    for task in TASKS.values():
        data = task.config.__dataclass_fields__["data"].default_factory()
        sections = [data, *(getattr(data, n, data) for n in ("train", "validation"))]
        assert any(hasattr(x, name) for x in sections for name in ("images", "root"))


def test_boxes_for_predictions_may_lie_elsewhere(
    server, run_folder, data_folder, tmp_path
):
    image = next((data_folder / "images" / "val").iterdir())
    box = {"file_name": image.name, "bbox": [5, 5, 40, 50], "score": 0.9}
    server.files["/boxes.json"] = json.dumps([{**box, "category_id": 1}]).encode()
    command = ["predict", str(image), "--model", str(run_folder), "--out"]
    cli.main([*command, str(tmp_path / "out"), "--boxes", f"{server.url}/boxes.json"])
    assert server.fetched == ["/boxes.json"]

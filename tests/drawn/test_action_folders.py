import csv
import os

import pytest

from hrnet_tf import InputError
from hrnet_tf.drawn.action_folders import write_class_folders
from hrnet_tf.drawn.figures import ACTIONS, draw_data_set
from hrnet_tf.tasks.classification.images import open_images


def listed(data_folder, split):
    with open(data_folder / "annotations" / f"actions_{split}.csv") as file:
        return {row["file"]: row["action"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_image_lies_in_the_folder_of_its_action(split, data_folder, tmp_path):
    write_class_folders(data_folder, tmp_path)
    found = {path.name: path for path in (tmp_path / split).glob("*/*.jpg")}
    actions = {name: path.parent.name for name, path in found.items()}
    assert actions == listed(data_folder, split)
    for name, path in found.items():
        assert path.samefile(data_folder / "images" / split / name)


def test_it_is_a_data_set_of_labelled_images(tmp_path):
    draw_data_set(tmp_path / "drawn", train=24, validation=16)
    write_class_folders(tmp_path / "drawn", tmp_path / "actions")
    training, validation = open_images(tmp_path / "actions")
    assert training.classes == validation.classes == tuple(sorted(ACTIONS))
    assert (len(training), len(validation)) == (24, 16)


def test_where_links_fail_files_are_copied(data_folder, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    write_class_folders(data_folder, tmp_path)
    for name, action in listed(data_folder, "val").items():
        copy, source = (
            tmp_path / "val" / action / name,
            data_folder / "images" / "val" / name,
        )
        assert copy.read_bytes() == source.read_bytes()
        assert not copy.samefile(source)


def test_the_same_call_again_changes_nothing(data_folder, tmp_path):
    write_class_folders(data_folder, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    write_class_folders(data_folder, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_another_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"There is no .*actions_train\.csv; give the"):
        write_class_folders(tmp_path, tmp_path / "out")

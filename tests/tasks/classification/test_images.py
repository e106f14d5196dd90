import keras
import numpy as np
import pytest

from hrnet_tf import InputError
from hrnet_tf.tasks.classification.images import open_images
from hrnet_tf.tasks.classification.shards import write_shards

COUNTS = {"ant": 5, "bee": 3}


@pytest.fixture
def make_tree(tmp_path):
    """Write files, by default no images: nothing is decoded here."""

    def make(files, root="data"):
        for name in files:
            path = tmp_path / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        return tmp_path / root

    return make


def class_files(prefix="", counts=COUNTS):
    return [f"{prefix}{c}/{i}.jpg" for c, n in counts.items() for i in range(n)]


@pytest.fixture
def split_tree(make_tree):
    return make_tree(class_files("train/") + class_files("val/", {"ant": 2, "bee": 1}))


@pytest.fixture(params=["files", "shards"])
def training(request, split_tree, tmp_path):
    """The same training images in files and in shards."""
    if request.param == "files":
        return open_images(split_tree)[0]
    write_shards(split_tree, tmp_path / "shards", shards=3, workers=1)
    return open_images(tmp_path / "shards")[0]


def names(images, data):
    """The last two parts of each image's name: class and file."""
    found = [name.decode().split("/") for _, name, _, _ in data.as_numpy_iterator()]
    return ["/".join(parts[-2:]) for parts in found]


def test_a_folder_of_train_and_val_is_taken_as_it_is(split_tree):
    training, validation = open_images(split_tree)
    assert training.classes == validation.classes == ("ant", "bee")
    assert training.class_counts.tolist() == [5, 3]
    assert (len(training), len(validation)) == (8, 3)
    assert names(validation, validation.in_order()) == [
        "ant/0.jpg",
        "ant/1.jpg",
        "bee/0.jpg",
    ]


def test_validation_may_be_written_out(make_tree):
    root = make_tree(class_files("train/") + class_files("validation/"))
    assert len(open_images(root)[1]) == 8


def test_every_image_comes_once_with_its_label_and_index(training):
    rows = list(training.in_order().as_numpy_iterator())
    assert sorted(row[0] for row in rows) == list(range(8))
    for _, name, encoded, label in rows:
        assert training.classes[label] == name.decode().split("/")[-2]
        assert bool(encoded) != training.in_files


def test_order_does_not_change_what_an_index_stands_for(training):
    ordered = {row[1]: row[0] for row in training.in_order().as_numpy_iterator()}
    for index, name, _, _ in training.epoch(1, 8).as_numpy_iterator():
        assert ordered[name] == index


def test_an_epoch_follows_from_seed_and_number(training):
    def order(number, seed):
        return names(training, training.epoch(number, 8, seed))

    assert order(3, 1) == order(3, 1)
    assert sorted(order(3, 1)) == sorted(class_files())
    assert len({tuple(order(number, 1)) for number in range(4)}) == 4
    assert order(3, 1) != order(3, 2)


def test_a_global_seed_changes_nothing(training):
    before = names(training, training.epoch(3, 8, 1))
    keras.utils.set_random_seed(5)
    assert names(training, training.epoch(3, 8, 1)) == before


def test_a_long_epoch_repeats_everyone_equally_often(training):
    found = names(training, training.epoch(0, 20))
    times = [found.count(name) for name in class_files()]
    assert sum(times) == 20
    assert set(times) == {2, 3}


def test_a_share_of_each_class_is_held_out(make_tree):
    root = make_tree(class_files(counts={"ant": 10, "bee": 5, "cat": 2}))
    training, validation = open_images(root, 0.3)
    assert validation.class_counts.tolist() == [3, 2, 1]
    assert not set(training.files) & set(validation.files)
    assert len(training) + len(validation) == 17


def test_who_is_held_out_follows_from_the_seed(make_tree):
    root = make_tree(class_files(counts={"ant": 30, "bee": 30}))
    first, again, other = (
        set(open_images(root, seed=seed)[1].files) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_another_class_does_not_change_who_is_held_out(make_tree):
    root = make_tree(class_files(counts={"ant": 30, "bee": 30}))
    before = set(open_images(root)[1].files)
    make_tree(class_files(counts={"aardvark": 4}))
    assert before < set(open_images(root)[1].files)


def test_images_may_lie_deeper_and_be_of_any_kind(make_tree):
    deep = ["ant/2020/a.PNG", "ant/b.webp", "bee/c.gif", "bee/d.jpeg", "bee/e.bmp"]
    training, validation = open_images(make_tree([*deep, "ant/.DS_Store", "notes.txt"]))
    assert len(training) + len(validation) == 5


def test_class_folders_named_train_are_classes(make_tree):
    root = make_tree(["train/1.jpg", "train/2.jpg", "plane/1.jpg", "plane/2.jpg"])
    assert open_images(root)[0].classes == ("plane", "train")


def test_files_that_are_no_images_are_named(make_tree):
    root = make_tree([*class_files(), "ant/notes.txt"])
    with pytest.raises(InputError, match=r"1 broken samples .*\n.*ant/notes\.txt: is"):
        open_images(root)


def test_files_that_are_no_images_can_be_skipped(make_tree, caplog):
    root = make_tree([*class_files(), "ant/notes.txt", "lost.jpg"])
    training, validation = open_images(root, on_error="skip")
    assert len(training) + len(validation) == 8
    assert "notes.txt" in caplog.text
    assert "lost.jpg: is in no class folder" in caplog.text


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["ant/1.jpg"], "holds 1 class folders; put"),
        (["1.jpg", "2.jpg"], "holds 0 class folders; it holds 2 images outside of any"),
        ([*class_files(), "cat/.keep"], r"no images \(.*\) in the folders of 'cat'"),
        ([*class_files(), "Ant/1.jpg"], "'Ant', 'ant' differ in upper and lower case"),
        (
            [*class_files(), "cat/1.jpg"],
            "Class 'cat' has one image, .*each class needs",
        ),
        (
            class_files("train/"),
            r"holds train/ and no val/ or validation/; .*data/train",
        ),
        (
            [*class_files("train/"), *class_files("val/"), "validation/ant/1.jpg"],
            "holds train/ and both .*val and .*validation; it must hold one of them",
        ),
        (
            [*class_files("train/"), *class_files("val/"), "val/cat/1.jpg"],
            "must hold the same classes; in one of them only: 'cat'",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(files, said, make_tree):
    with pytest.raises(InputError, match=said):
        open_images(make_tree(files))


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="There is no folder of images"):
        open_images(tmp_path / "nowhere")


@pytest.mark.parametrize("share", [0.0, 1.0, -1, float("nan")])
def test_the_share_must_leave_something_on_both_sides(share, make_tree):
    with pytest.raises(InputError, match="must lie between 0 and 1, got"):
        open_images(make_tree(class_files()), share)


def test_labels_are_small_integers(training):
    labels = [row[3] for row in training.in_order().as_numpy_iterator()]
    assert {label.dtype for label in labels} == {np.dtype(np.int32)}

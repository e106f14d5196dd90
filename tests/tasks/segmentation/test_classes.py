from dataclasses import asdict

import numpy as np
import pytest
import yaml

from hrnet_tf import InputError
from hrnet_tf.tasks.segmentation.classes import FOLDER, IGNORED, UNKNOWN, ClassSet

GARDEN = {
    "name": "garden",
    "names": ["grass", "left_shoe", "right_shoe", "path"],
    "palette": [[0, 255, 0], [9, 9, 9], [8, 8, 8], [200, 100, 50]],
    "ids": [10, 20, 21, 300],
    "ignored_ids": [0],
    "flip_pairs": [["left_shoe", "right_shoe"]],
    "weights": [1, 2, 2, 0.5],
}
SIZES = {
    "cityscapes": 19,
    "ade20k": 150,
    "pascal_context_59": 59,
    "pascal_context_60": 60,
    "lip": 20,
    "coco_stuff": 171,
}


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_shipped_sets_have_their_classes(name, size):
    class_set = ClassSet.read(name)
    assert (class_set.name, len(class_set)) == (name, size)
    assert class_set.colors.shape == (size, 3)
    assert len(np.unique(class_set.colors, axis=0)) == size
    # Every class has a value, and 255 never counts.
    counted = class_set.lookup[class_set.lookup < UNKNOWN]
    np.testing.assert_array_equal(np.sort(counted), np.arange(size))
    assert class_set.lookup[255] == IGNORED


def test_all_shipped_sets_are_known_here():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == SIZES.keys()


def test_cityscapes_counts_19_of_34_values():
    cityscapes = ClassSet.read("cityscapes")
    found = dict(zip(range(34), cityscapes.lookup[:34].tolist(), strict=True))
    counted = {value: label for value, label in found.items() if label != IGNORED}
    assert counted[7] == 0
    assert counted[33] == 18
    assert len(counted) == 19
    assert cityscapes.names[cityscapes.lookup[24]] == "person"
    assert cityscapes.colors[13].tolist() == [0, 0, 142]  # car
    assert len(cityscapes.weights) == 19
    assert cityscapes.lookup[34] == UNKNOWN


@pytest.mark.parametrize("name", ["ade20k", "pascal_context_59"])
def test_0_does_not_count_and_1_is_the_first_class(name):
    lookup = ClassSet.read(name).lookup
    count = SIZES[name]
    assert lookup[0] == IGNORED
    np.testing.assert_array_equal(lookup[1 : count + 1], np.arange(count))
    assert lookup[count + 1] == UNKNOWN


def test_the_background_of_pascal_context_may_count():
    fewer, more = (ClassSet.read(f"pascal_context_{count}") for count in (59, 60))
    assert more.names == ("background", *fewer.names)
    np.testing.assert_array_equal(more.lookup[:60], np.arange(60))


def test_coco_stuff_leaves_out_what_does_not_occur():
    coco = ClassSet.read("coco_stuff")
    absent = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91]
    assert (coco.lookup[absent] == UNKNOWN).all()
    assert coco.names[coco.lookup[1]] == "person"
    assert coco.names[coco.lookup[92]] == "banner"
    assert coco.lookup[[0, 182]].tolist() == [IGNORED, 170]


def test_a_mirror_of_lip_exchanges_sides():
    order = np.arange(20)
    order[14:] = [15, 14, 17, 16, 19, 18]
    np.testing.assert_array_equal(ClassSet.read("lip").mirror, order)


def test_values_colors_and_mirror_of_an_own_set():
    garden = ClassSet(**GARDEN)
    found = garden.lookup[[10, 20, 21, 300, 0, 255, 1, 65535]]
    assert found.tolist() == [0, 1, 2, 3, IGNORED, IGNORED, UNKNOWN, UNKNOWN]
    assert garden.lookup.dtype == np.uint8
    np.testing.assert_array_equal(garden.mirror, [0, 2, 1, 3])
    np.testing.assert_array_equal(garden.colors, np.array(GARDEN["palette"], np.uint8))


def test_without_colors_they_are_those_of_pascal_voc():
    colors = ClassSet("many", tuple(map(str, range(21)))).colors
    assert colors.dtype == np.uint8
    known = {1: (128, 0, 0), 2: (0, 128, 0), 4: (0, 0, 128), 15: (192, 128, 128)}
    known |= {0: (0, 0, 0), 20: (0, 64, 128)}
    assert {index: tuple(colors[index].tolist()) for index in known} == known


def test_a_file_makes_the_same_set_as_python(tmp_path):
    path = tmp_path / "garden.yaml"
    path.write_text(yaml.safe_dump(GARDEN))
    read, made = ClassSet.read(path), ClassSet(**GARDEN)
    np.testing.assert_equal(asdict(read), asdict(made))


def test_a_text_file_names_a_class_a_line(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("sky\n\n  the ground \nsea\n", encoding="utf-8")
    class_set = ClassSet.read(path)
    assert class_set.names == ("sky", "the ground", "sea")
    np.testing.assert_array_equal(class_set.lookup[:4], [0, 1, 2, UNKNOWN])


@pytest.mark.parametrize("content", [b"sky\nsky\n", b"\n", b"\xff\xfe\x00"])
def test_a_mistake_in_a_text_file_names_it(content, tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}: "):
        ClassSet.read(path)


MISTAKES = {
    "a name twice": ({"names": ["path"] * 4}, "`names` must hold each class once"),
    "no names": ({"names": []}, "`names` must hold .* at least one"),
    "too many names": (
        {"names": [str(i) for i in range(255)]},
        "at most 254 classes, got 255",
    ),
    "too few colors": ({"palette": [[1, 2, 3]]}, "`palette` .* 4 `names`.* got 1"),
    "a color of two": (
        {"palette": [[1, 2]] * 4},
        r"`palette` must hold colours of three integers .* got \[1, 2\]",
    ),
    "a bright color": ({"palette": [[1, 2, 256]] * 4}, "from 0 to 255"),
    "too few values": ({"ids": [1, 2]}, "`ids` must hold one entry .* got 2"),
    "a negative value": ({"ids": [1, 2, 3, -1]}, "`ids` must hold integers .* got -1"),
    "a value twice": ({"ids": [1, 2, 3, 1]}, "gives grass and path the same value 1"),
    "a value that is ignored": (
        {"ignored_ids": [20]},
        "the value 20 stands for left_shoe, yet does not count",
    ),
    "the value 255": ({"ids": [1, 2, 3, 255]}, "255 stands for path, yet"),
    "an ignored value too large": (
        {"ignored_ids": [65536]},
        "`ignored_ids` must hold integers from 0 to 65535, got 65536",
    ),
    "an unknown pair": (
        {"flip_pairs": [["left_shoe", "right_sho"]]},
        "`flip_pairs` names an unknown class right_sho; did you mean right_shoe",
    ),
    "a pair of one": ({"flip_pairs": [["path"]]}, "pairs of two names, got .*path"),
    "two mirrors": (
        {"flip_pairs": [["left_shoe", "right_shoe"], ["path", "left_shoe"]]},
        "names left_shoe twice",
    ),
    "too many weights": ({"weights": [1] * 5}, "`weights` must hold one .* got 5"),
    "a negative weight": ({"weights": [1, 1, 1, -1]}, "`weights` must not be negative"),
}


@pytest.mark.parametrize(("change", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_the_file_the_set_and_what_is_wrong(change, text, tmp_path):
    with pytest.raises(InputError, match=f"(?s)^Class set garden: .*{text}"):
        ClassSet(**{**GARDEN, **change})
    path = tmp_path / "garden.yaml"
    path.write_text(yaml.safe_dump({**GARDEN, **change}))
    with pytest.raises(InputError, match=f"^{path}: Class set garden: .*{text}"):
        ClassSet.read(path)


def test_an_unknown_set_lists_those_that_are_shipped():
    with pytest.raises(InputError, match=r"no class set citiscapes: .* ade20k, citys"):
        ClassSet.read("citiscapes")

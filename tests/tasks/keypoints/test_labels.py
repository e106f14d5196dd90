from dataclasses import asdict

import numpy as np
import pytest
import yaml

from hrnet_tf import InputError, KeypointSet

FACE = {
    "name": "face",
    "names": ["nose", "left_eye", "right_eye", "chin"],
    "flip_pairs": [["left_eye", "right_eye"]],
    "sigmas": [0.1, 0.2, 0.2, 0.3],
    "skeleton": [["left_eye", "nose"], ["nose", "chin"]],
    "upper_body": ["left_eye", "right_eye"],
    "weights": [1, 2, 2, 1],
}


def test_coco_has_its_17_keypoints_and_sigmas(coco_set):
    assert len(coco_set) == 17
    assert coco_set.names[0] == "nose"
    assert coco_set.names[9:11] == ("left_wrist", "right_wrist")
    assert coco_set.sigmas[11] == 0.107  # left hip
    assert coco_set.category == "person"


def test_a_coco_mirror_exchanges_left_and_right(coco_set):
    swapped = [
        name.replace("left", "RIGHT").replace("right", "left").lower()
        for name in coco_set.names
    ]
    assert [coco_set.names[i] for i in coco_set.mirror] == swapped


def test_coco_upper_body_is_the_first_eleven(coco_set):
    np.testing.assert_array_equal(np.flatnonzero(coco_set.upper), np.arange(11))


def test_names_become_indices():
    face = KeypointSet(**FACE)
    np.testing.assert_array_equal(face.mirror, [0, 2, 1, 3])
    np.testing.assert_array_equal(face.bones, [[1, 0], [0, 3]])
    np.testing.assert_array_equal(face.upper, [False, True, True, False])


def test_a_set_without_lines_has_no_bones():
    assert KeypointSet(**{**FACE, "skeleton": []}).bones.shape == (0, 2)


def test_a_file_makes_the_same_set_as_python(tmp_path):
    path = tmp_path / "face.yaml"
    path.write_text(yaml.safe_dump(FACE))
    read, made = KeypointSet.read(path), KeypointSet(**FACE)
    np.testing.assert_equal(asdict(read), asdict(made))


MISTAKES = {
    "a name twice": ({"names": ["nose", "nose"]}, "`names` must hold each .* once"),
    "no names": ({"names": []}, "`names` must hold .* at least one"),
    "an unknown pair": (
        {"flip_pairs": [["left_eye", "right_ey"]]},
        "`flip_pairs` names an unknown keypoint right_ey; did you mean right_eye",
    ),
    "an unknown line": ({"skeleton": [["nose", "shin"]]}, "shin; did you mean chin"),
    "an unknown upper body": ({"upper_body": ["nos"]}, "nos; did you mean nose"),
    "a pair of one": ({"flip_pairs": [["nose"]]}, "pairs of two names, got .*nose"),
    "a pair with itself": ({"skeleton": [["chin", "chin"]]}, "pairs of two names"),
    "two mirrors": (
        {"flip_pairs": [["left_eye", "right_eye"], ["nose", "left_eye"]]},
        "names left_eye twice",
    ),
    "too few sigmas": ({"sigmas": [0.1]}, "`sigmas` must hold 4 positive .* got 1"),
    "a sigma of zero": ({"sigmas": [0.1, 0.2, 0.2, 0.0]}, "`sigmas` .* positive"),
    "a sigma that is no number": (
        {"sigmas": [0.1, float("nan"), 0.2, 0.3]},
        "`sigmas` .* positive",
    ),
    "too many weights": ({"weights": [1] * 5}, "`weights` must hold 4 .* got 5"),
}


@pytest.mark.parametrize(("change", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_the_set_and_what_is_wrong(change, text):
    with pytest.raises(InputError, match=f"(?s)^Keypoint set face: .*{text}"):
        KeypointSet(**{**FACE, **change})


@pytest.mark.parametrize(("change", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_file_names_the_file(change, text, tmp_path):
    path = tmp_path / "face.yaml"
    path.write_text(yaml.safe_dump({**FACE, **change}))
    with pytest.raises(InputError, match=f"^{path}: Keypoint set face: .*{text}"):
        KeypointSet.read(path)


def test_an_unknown_set_lists_those_that_are_shipped():
    with pytest.raises(InputError, match=r"no keypoint set cocoo: .* YAML .* coco"):
        KeypointSet.read("cocoo")


def test_an_unknown_key_in_a_file_is_named(tmp_path):
    path = tmp_path / "face.yaml"
    path.write_text(yaml.safe_dump({**FACE, "sigma": [1]}))
    with pytest.raises(InputError, match="unknown key `sigma`; did you mean `sigmas`"):
        KeypointSet.read(path)


def test_what_a_file_leaves_out_is_named(tmp_path):
    path = tmp_path / "face.yaml"
    path.write_text("name: face\nnames: [nose]\n")
    with pytest.raises(InputError, match=f"{path}: `flip_pairs`, `sigmas` must be set"):
        KeypointSet.read(path)

"""Readers of the published files and of own ones, and the boxes of faces."""

import json

import h5py
import numpy as np
import pytest
import scipy.io

from hrnet_tf.common.errors import InputError
from hrnet_tf.tasks.landmarks.config import FacesSection
from hrnet_tf.tasks.landmarks.data import LandmarkFaces
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.pipeline import Cutter, FaceReader
from support.drawn_faces import some_points, write_faces_as_images

NAMES = ["a/1.jpg", "a/2.jpg", "b/3.jpg"]


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    write_faces_as_images(folder, NAMES)
    return folder


def read(annotations, images, landmarks, on_error="stop", **more):
    section = FacesSection(str(annotations), str(images), **more)
    return LandmarkFaces(section, LandmarkSet.read(landmarks), on_error)


def loaded(part, row):
    landmarks = part.landmarks
    reader = FaceReader(part.faces, Cutter(None), 1.25)
    assert part.faces.points.shape[1:] == (len(landmarks), 3)
    return reader.load(row)


# WFLW


def write_list(path, points, more=True):
    lines = []
    for number, (name, face) in enumerate(zip(NAMES, points, strict=True)):
        fields = [f"{value:.6f}" for value in face.ravel()]
        if more:
            fields += [
                "20",
                "30",
                "121",
                "125",
                *map(str, np.eye(6, dtype=int)[number]),
            ]
        lines.append(" ".join([*fields, name]))
    path.write_text("\n".join(lines) + "\n")


def test_a_list_as_wflw_has_it(images, tmp_path):
    points = some_points(98, 3)
    write_list(tmp_path / "list.txt", points)
    part = read(tmp_path / "list.txt", images, "wflw")
    np.testing.assert_allclose(part.faces.points[..., :2], points)
    assert part.faces.points[..., 2].all()
    np.testing.assert_array_equal(part.faces.centers, [[70.5, 77.5]] * 3)
    np.testing.assert_allclose(part.faces.scales, 101 / 200)
    assert list(part.faces.subsets) == ["largepose", "expression", "illumination"]
    assert part.faces.subsets["expression"].tolist() == [False, True, False]
    assert loaded(part, 2).shape == (160, 160, 3)
    assert part.notes == []


def test_a_list_without_boxes_says_so(images, tmp_path):
    write_list(tmp_path / "list.txt", some_points(98, 3), more=False)
    part = read(tmp_path / "list.txt", images, "wflw")
    (line,) = part.notes
    assert "3 faces have no annotated box: it is put around their points" in line
    low = np.floor(part.faces.points[..., :2].min(axis=1))
    high = np.ceil(part.faces.points[..., :2].max(axis=1))
    np.testing.assert_array_equal(part.faces.centers, (low + high) / 2)
    np.testing.assert_allclose(part.faces.scales, (high - low).max(axis=1) / 200)


def test_broken_lines_are_named(images, tmp_path):
    path = tmp_path / "list.txt"
    write_list(path, some_points(98, 3))
    lines = path.read_text().splitlines()
    lines[0] = lines[0].replace(" ", " x", 1)
    lines[1] = lines[1].rsplit(" ", 1)[0]
    lines.append(lines[2].replace(NAMES[2], "c/4.jpg"))
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="3 broken samples") as error:
        read(path, images, "wflw")
    for text in ("line 1 of", "a number is expected", "line 2 of", "206 fields"):
        assert text in str(error.value)
    assert "c/4.jpg does not exist" in str(error.value)
    part = read(path, images, "wflw", "skip")
    assert (len(part.faces), len(part.broken)) == (1, 3)


# Tables


def test_a_table_of_the_official_program(images, tmp_path):
    points = some_points(19, 3)
    head = ["image_name", "scale", "box_size", "center_w", "center_h"]
    head += [f"original_{i}_{axis}" for i in range(19) for axis in "xy"]
    rows = [
        [name, 0.41, 77, 80 + n, 90, *face.ravel()]
        for n, (name, face) in enumerate(zip(NAMES, points, strict=True))
    ]
    text = "\n".join(",".join(map(str, row)) for row in [head, *rows])
    (tmp_path / "table.csv").write_text(text)
    part = read(tmp_path / "table.csv", images, "aflw")
    np.testing.assert_allclose(part.faces.points[..., :2], points)
    np.testing.assert_array_equal(part.faces.centers, [[80, 90], [81, 90], [82, 90]])
    assert part.faces.scales.tolist() == [0.41] * 3
    assert part.faces.sides.tolist() == [77.0] * 3


def test_an_own_table(images, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        "name: own\nnames: [left, right, tip]\nflip_pairs: [[left, right]]\n"
    )
    table = tmp_path / "own.csv"
    table.write_text(
        "file,lx,ly,rx,ry,tx,ty,box_x,box_y,box_width,box_height,subset\n"
        "a/1.jpg,10,20,30,40,,,5,6,50,40,night\n"
        "a/2.jpg,1,2,3,4,5,6,5,6,50,40,\n"
    )
    part = read(table, images, own)
    assert part.faces.points[0].tolist() == [[10, 20, 1], [30, 40, 1], [0, 0, 0]]
    np.testing.assert_allclose(part.faces.boxes[0], [5, 1, 50, 50])  # a square
    assert part.faces.subsets["night"].tolist() == [True, False]
    table.write_text("file,lx,ly,rx,ry,tx,ty\na/1.jpg,10,,30,40,1,2\n")
    with pytest.raises(InputError, match="one of lx and ly is empty"):
        read(table, images, own)
    table.write_text("file,lx,ly\na/1.jpg,10,2\n")
    with pytest.raises(InputError, match=r"2 columns of coordinates .* 6 are expected"):
        read(table, images, own)
    with pytest.raises(InputError, match="has no parts"):
        read(table, images, own, part="train")


# Points beside images


def test_folders_of_300w(tmp_path):
    names = ["helen/testset/1.jpg", "ibug/2.jpg", "lfpw/trainset/3.png", "afw/4.jpg"]
    write_faces_as_images(tmp_path, names)
    points = some_points(68, 4)
    for name, face in zip(names, points, strict=True):
        rows = "\n".join(f"{x} {y}" for x, y in face)
        text = f"version: 1\nn_points: 68\n{{\n{rows}\n}}\n"
        (tmp_path / name).with_suffix(".pts").write_text(text)
    full = read(tmp_path, "", "300w", part="full")
    assert len(full.faces) == 2
    np.testing.assert_allclose(full.faces.points[..., :2], points[:2])
    assert full.faces.subsets["common"].tolist() == [True, False]
    assert full.faces.subsets["challenge"].tolist() == [False, True]
    assert loaded(full, 1).shape == (160, 160, 3)
    assert len(read(tmp_path, "", "300w", part="train").faces) == 2
    assert len(read(tmp_path, "", "300w").faces) == 4
    with pytest.raises(InputError, match="`part` must be one of train, common"):
        read(tmp_path, "", "300w", part="all")
    (tmp_path / "afw/4.pts").write_text("{\n1 2\n}\n")
    with pytest.raises(InputError, match=r"4\.pts: 68 lines of x and y .* found 1"):
        read(tmp_path, "", "300w")


def test_the_subset_is_told_by_the_path_in_the_data_set_alone(tmp_path):
    """Whose folder lies in one called ibug, as its authors are, has no subset by it."""
    root = tmp_path / "ibug" / "300w"
    write_faces_as_images(root, ["lfpw/trainset/1.jpg", "ibug/2.JPG"])
    for name in ("lfpw/trainset/1", "ibug/2"):
        rows = "\n".join(f"{x} {y}" for x, y in some_points(68, 1)[0])
        (root / f"{name}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{rows}\n}}\n")
    (root / "ibug" / "._2.pts").write_bytes(b"\0\5\26\7")  # as macOS packs them
    part = read(root, "", "300w")
    assert [name[len(str(root)) :] for name in part.faces.files] == [
        "/ibug/2.JPG",
        "/lfpw/trainset/1.jpg",
    ]
    assert part.faces.subsets["challenge"].tolist() == [True, False]
    assert list(part.faces.subsets) == ["challenge"]


# MATLAB


def cells(values):
    table = np.empty((len(values), 1), object)
    table[:, 0] = values
    return table


def write_aflw(path, points, boxes=((10, 110, 20, 130),) * 3):
    masks = np.ones((3, 19))
    masks[0, 3] = 0
    scipy.io.savemat(
        path,
        {
            "nameList": cells([np.array([name]) for name in NAMES]),
            "data": np.concatenate([points[..., 0], points[..., 1]], axis=1),
            "bbox": np.array(boxes, float),  # left right top bottom
            "mask_new": masks,
            "ra": np.array([[3, 1, 2]]),
        },
    )


def test_aflw(images, tmp_path):
    points = some_points(19, 3)
    write_aflw(tmp_path / "AFLW.mat", points)
    part = read(tmp_path / "AFLW.mat", images, "aflw")
    np.testing.assert_allclose(part.faces.points[..., :2], points[[2, 0, 1]])
    np.testing.assert_allclose(part.faces.boxes[0], [5, 20, 110, 110])
    assert part.faces.sides.tolist() == [110.0] * 3
    assert part.faces.subsets["frontal"].tolist() == [True, False, True]
    assert part.faces.files[0].endswith(NAMES[2])
    with pytest.raises(InputError, match="train and test"):
        read(tmp_path / "AFLW.mat", images, "aflw", part="val")
    with pytest.raises(InputError, match="19 points, the set 300w has 68"):
        read(tmp_path / "AFLW.mat", images, "300w")


def test_a_broken_box_is_named_and_can_be_skipped(images, tmp_path):
    boxes = [[10, 110, 20, 130], [60, 60, 20, 130], [10, 110, 20, 130]]
    write_aflw(tmp_path / "AFLW.mat", some_points(19, 3), boxes)
    with pytest.raises(InputError, match=r"face 2 of .*AFLW\.mat \(a/2\.jpg\): .*area"):
        read(tmp_path / "AFLW.mat", images, "aflw")
    part = read(tmp_path / "AFLW.mat", images, "aflw", "skip")
    assert (len(part.faces), len(part.broken)) == (2, 1)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_cofw(version, tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (50, 40, 3), np.uint8), np.full((30, 20), 7, "u1")]
    points = some_points(29, 2)
    shapes = np.concatenate([points[..., 0], points[..., 1], np.zeros((2, 29))], axis=1)
    boxes = np.array([[1, 2, 30, 40], [3, 4, 10, 20]], float)
    path = tmp_path / "COFW_test_color.mat"
    if version == "5":
        content = {"IsT": cells(pictures), "phisT": shapes, "bboxesT": boxes}
        scipy.io.savemat(path, content)
    else:
        with h5py.File(path, "w") as file:
            kept = [
                file.create_dataset(f"r/{i}", data=p.T) for i, p in enumerate(pictures)
            ]
            references = np.array([[each.ref for each in kept]], h5py.ref_dtype)
            file.create_dataset("IsT", data=references, dtype=h5py.ref_dtype)
            file["phisT"], file["bboxesT"] = shapes.T, boxes.T
    part = read(path, "", "cofw")
    np.testing.assert_allclose(part.faces.points[..., :2], points)
    np.testing.assert_allclose(part.faces.boxes[1], [-2, 4, 20, 20])
    np.testing.assert_array_equal(loaded(part, 0), pictures[0])
    np.testing.assert_array_equal(loaded(part, 1), np.full((30, 20, 3), 7))
    around = read(path, "", "cofw", boxes="points")
    low, high = np.floor(points[0].min(axis=0)), np.ceil(points[0].max(axis=0))
    np.testing.assert_array_equal(around.faces.centers[0], (low + high) / 2)
    with pytest.raises(InputError, match="images have no names"):
        read(path, "", "cofw", boxes=str(tmp_path / "boxes.json"))
    with pytest.raises(InputError, match="of COFW is one part, so part 'test'"):
        read(path, "", "cofw", part="test")


def test_other_matlab_files(tmp_path):
    scipy.io.savemat(tmp_path / "other.mat", {"x": np.ones(3)})
    with pytest.raises(InputError, match="holds x; nameList, data"):
        read(tmp_path / "other.mat", "", "cofw")
    (tmp_path / "broken.mat").write_bytes(b"no such file, but long enough" * 20)
    with pytest.raises(InputError, match="is no MATLAB file"):
        read(tmp_path / "broken.mat", "", "cofw")
    with pytest.raises(InputError, match="There is no file"):
        read(tmp_path / "none.mat", "", "cofw")
    (tmp_path / "list.xml").write_text("<x/>")
    with pytest.raises(InputError, match="of no format that is known: a list as WFLW"):
        read(tmp_path / "list.xml", "", "cofw")


# COCO's format


@pytest.fixture
def coco(images, tmp_path):
    points = some_points(19, 4)
    ids = [1, 2, 3, 3]
    data = {
        "categories": [{"id": 1, "name": "face", "keypoints": []}],
        "images": [
            {"id": n, "file_name": name, "width": 160, "height": 160}
            for n, name in enumerate(NAMES, 1)
        ],
        "annotations": [
            {
                "id": 10 + n,
                "image_id": ids[n],
                "category_id": 1,
                "keypoints": np.insert(face, 2, 2, axis=1).ravel().tolist(),
                "bbox": [20, 20, 100, 110],
            }
            for n, face in enumerate(points)
        ],
    }

    def write(change=lambda annotations: None):
        change(data["annotations"])
        path = tmp_path / "faces.json"
        path.write_text(json.dumps(data))
        own = tmp_path / "own.yaml"
        aflw = LandmarkSet.read("aflw")
        own.write_text(
            f"name: own\ncategory: face\nnames: {list(aflw.names)}\nflip_pairs: []\n"
        )
        return path, own

    return write


def test_annotations_in_cocos_format(coco, images):
    def change(annotations):
        annotations[0] |= {"center": [81.0, 82.5], "scale": 0.6, "box_size": 99.0}
        annotations[1]["keypoints"][2::3] = [0] * 19
        annotations[2]["keypoints"][2] = 0

    path, own = coco(change)
    part = read(path, images, own)
    assert part.notes == ["1 annotations have no annotated point and are left out"]
    assert part.faces.centers.tolist() == [[81.0, 82.5], [70, 75], [70, 75]]
    assert part.faces.scales.tolist() == [0.6, 0.55, 0.55]
    assert part.faces.sides[0] == 99.0
    assert part.faces.points[1, 0].tolist() == [0, 0, 0]
    assert len(np.unique(part.faces.images)) == 2


def test_broken_annotations_are_named(coco, images):
    def change(annotations):
        annotations[0]["keypoints"] = annotations[0]["keypoints"][:-3]
        annotations[1]["bbox"] = [5, 5, 0, 9]
        annotations[2] |= {"center": [1], "scale": 3}
        annotations[3]["image_id"] = 77

    path, own = coco(change)
    with pytest.raises(InputError, match="holds nothing to work with") as error:
        read(path, images, own)
    for text in ("annotation 10 of", "19 keypoints", "has no area", "`center` must be"):
        assert text in str(error.value)
    assert "annotation 13: there is no image with id 77" in str(error.value)


def test_boxes_of_a_detector(coco, images, tmp_path):
    path, own = coco()
    boxes = [
        {"image_id": 1, "bbox": [25, 25, 100, 100], "score": 0.9},
        {"image_id": 1, "bbox": [0, 0, 40, 40], "score": 0.9},
        {"file_name": "a/2.jpg", "bbox": [30, 30, 90, 80], "score": 0.8},
        {"image_id": 3, "bbox": [150, 150, 9, 9], "score": 0.8},
        {"image_id": 9, "bbox": [15, 15, 9, 9], "score": 0.8},
        {"image_id": 3, "bbox": [30, 30, 90, 80], "score": 0.1},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    part = read(
        path, images, own, boxes=str(tmp_path / "boxes.json"), box_threshold=0.5
    )
    assert part.faces.centers.tolist() == [[75, 75], [75, 70]]
    np.testing.assert_allclose(part.faces.sides, 110)  # errors are divided as before
    assert part.undetected == 2
    said = "\n".join(part.notes)
    assert "1 boxes with a score below 0.5 are left out" in said
    assert "1 boxes are of no image here" in said
    assert "2 faces are in no box of it" in said

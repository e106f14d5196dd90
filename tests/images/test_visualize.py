import cv2
import numpy as np
import pytest

from hrnet_tf.common.errors import InputError
from hrnet_tf.images.files import read_image
from hrnet_tf.images.lettering import PAPER
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks.classification.drawing import draw_classes
from hrnet_tf.tasks.classification.result import Classification
from hrnet_tf.tasks.keypoints.drawing import (
    LEFT,
    MIDDLE,
    RIGHT,
    draw_pose,
    keypoint_colors,
    person_color,
    show_pose,
)
from hrnet_tf.tasks.keypoints.result import Pose
from hrnet_tf.tasks.segmentation.classes import IGNORED, ClassSet
from hrnet_tf.tasks.segmentation.drawing import draw_labels
from hrnet_tf.tasks.segmentation.result import LabelMap
from support.spots import COLORS

POINTS = [(10, 20), (30, 40), (50, 40)]  # red, green, blue; a line joins the last two
BOX = (2, 4, 60, 50)
GREY = np.full((60, 80, 3), 90, np.uint8)


def pose(scores=(1, 1, 1), points=POINTS):
    return Pose(
        np.array([points], np.float32),
        np.array([scores], np.float32),
        np.array([BOX], np.float32),
        np.ones(1, np.float32),
        COLORS,
    )


def pixel(image, x, y):
    return tuple(image[y, x].tolist())


def test_keypoints_are_drawn_at_their_pixels_in_the_colors_of_their_sides():
    drawn = draw_pose(GREY, pose())
    assert [pixel(drawn, *point) for point in POINTS] == [MIDDLE, LEFT, RIGHT]


def test_keypoints_fall_on_the_nearest_pixel():
    drawn = draw_pose(GREY, pose(points=[(10.6, 19.6), (30, 40), (50, 40)]))
    assert pixel(drawn, 11, 20) == MIDDLE


def test_bones_join_their_ends():
    drawn = draw_pose(GREY, pose())
    assert np.abs(drawn[40, 40] - np.array(MIDDLE)).max() <= 12  # its edge is smooth
    assert pixel(drawn, 20, 30) == (90, 90, 90)  # red is joined to nothing


def test_the_image_itself_stays_as_it_was():
    image = GREY.copy()
    drawn = draw_pose(image, pose(), boxes=True)
    np.testing.assert_array_equal(image, GREY)
    assert (drawn.shape, drawn.dtype) == (GREY.shape, np.uint8)


def test_keypoints_below_the_threshold_are_left_out_with_their_bones():
    drawn = draw_pose(GREY, pose((0.2, 0.5, 0.19)), threshold=0.2)
    seen = [pixel(drawn, *point) for point in (*POINTS, (40, 40))]
    assert seen == [MIDDLE, LEFT, (90, 90, 90), (90, 90, 90)]


def test_boxes_are_drawn_if_asked_for():
    corners = [(2, 4), (62, 4), (2, 54), (62, 54)]
    without, drawn = draw_pose(GREY, pose()), draw_pose(GREY, pose(), boxes=True)
    assert {pixel(without, *corner) for corner in corners} == {(90, 90, 90)}
    assert {pixel(drawn, *corner) for corner in corners} == {person_color(0)}


def test_keypoints_outside_the_image_do_no_harm():
    drawn = draw_pose(GREY, pose((1, 0, 0), [(-1e9, 1e9), (0, 0), (0, 0)]))
    np.testing.assert_array_equal(drawn, GREY)


def test_no_people_change_nothing():
    empty = Pose(
        np.zeros((0, 3, 2)), np.zeros((0, 3)), np.zeros((0, 4)), np.zeros(0), COLORS
    )
    np.testing.assert_array_equal(draw_pose(GREY, empty), GREY)


def test_views_of_other_arrays_are_drawn_on_too():
    wide = np.full((60, 160, 3), 90, np.uint8)
    drawn = draw_pose(wide[:, ::2], pose())
    np.testing.assert_array_equal(drawn, draw_pose(GREY, pose()))


def test_the_colors_of_people_tell_left_from_right(coco_set):
    colors = dict(zip(coco_set.names, keypoint_colors(coco_set), strict=True))
    assert colors["nose"] == MIDDLE
    assert (colors["left_knee"], colors["right_knee"]) == (LEFT, RIGHT)


# People


def crowd(count, side=400):
    """People beside one another, in a picture of this height and width."""
    points = np.array(POINTS, np.float32) * side / 400
    shift = np.arange(count, dtype=np.float32)[:, None, None] * [side / count, 0]
    boxes = np.array(BOX, np.float32) * side / 400
    boxes = np.tile(boxes, (count, 1))
    boxes[:, 0] += shift[:, 0, 0]
    ones = np.ones((count, 3), np.float32)
    people = Pose(points + shift.astype(np.float32), ones, boxes, ones[:, 0], COLORS)
    return np.full((side, side, 3), 90, np.uint8), people


def test_people_are_told_apart_by_colour():
    colors = np.array([person_color(number) for number in range(20)], float)
    gaps = np.linalg.norm(colors[:, None] - colors, axis=-1) + 1e3 * np.eye(20)
    assert gaps[:8, :8].min() > 60
    assert gaps.min() > 20
    image, people = crowd(4)
    drawn = draw_pose(image, people, boxes=True)
    for person in range(4):
        bone = (drawn[35:46, 100 * person + 35 : 100 * person + 46]).reshape(-1, 3)
        assert (np.abs(bone.astype(int) - person_color(person)) < 40).all(1).any()
    # Left and right stay what they are.
    sides = {pixel(drawn, 100 * person + 30, 40) for person in range(4)}
    assert sides == {LEFT}


def test_boxes_are_thin():
    image, people = crowd(1)
    drawn = draw_pose(image, people, boxes=True)
    row = (drawn[10] == person_color(0)).all(axis=-1)
    assert row.sum() == 2  # one pixel left, one right


def test_people_grow_with_the_picture():
    shares = []
    for side in (400, 4000):
        image, people = crowd(2, side)
        drawn = draw_pose(image, people, boxes=True)
        shares.append((drawn != image).any(axis=-1).mean())
    assert 0.25 < shares[1] / shares[0] < 4


@pytest.mark.parametrize("corner", [(-50, -50), (390, 0), (390, 390), (-1e9, 1e9)])
def test_scores_are_written_inside_the_picture(corner):
    image, people = crowd(1)
    people.boxes[0, :2] = corner
    drawn = draw_pose(image, people, scores=True)
    plate = (drawn == person_color(0)).all(axis=-1)
    rows, columns = np.nonzero(plate)
    assert plate.any()
    high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert 18 <= high <= 22  # whole, wherever the box is
    assert 30 <= wide <= 50
    np.testing.assert_array_equal(draw_pose(image, people), draw_pose(GREY_400, people))


GREY_400 = np.full((400, 400, 3), 90, np.uint8)


def test_small_pictures_of_people_are_made_larger_with_their_points():
    shown = show_pose(GREY, pose())
    assert shown.shape == (240, 320, 3)
    for (x, y), color in zip(POINTS, (MIDDLE, LEFT, RIGHT), strict=True):
        assert pixel(shown, 4 * x + 1, 4 * y + 1) == color


@pytest.mark.parametrize("size", [(8, 8), (60, 80), (700, 900)])
def test_a_picture_without_people_says_so(size):
    nobody = Pose(
        np.zeros((0, 3, 2)), np.zeros((0, 3)), np.zeros((0, 4)), np.zeros(0), COLORS
    )
    image = np.full((*size, 3), 90, np.uint8)
    for found in (nobody, pose((0, 0, 0))):
        shown = show_pose(image, found)
        assert (shown[-10:] == PAPER).all(axis=-1).any()
        assert (shown[: len(shown) // 2] == 90).all()


# Classes


@pytest.mark.parametrize("size", [(8, 8), (64, 48), (600, 800)])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_likeliest_classes_stand_below_the_picture(size, count, rng):
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    names = tuple(f"{'long ' * 40}{number}" for number in range(count))
    shares = np.linspace(1, 0.1, count, dtype=np.float32)
    drawn = draw_classes(image, Classification(shares / shares.sum(), names))
    factor = drawn.shape[1] // size[1] if size[0] > 100 else -(-320 // max(size))
    np.testing.assert_array_equal(
        drawn[: size[0] * factor : factor, : size[1] * factor : factor], image
    )
    strip = drawn[size[0] * factor :]
    text = (strip.astype(int).sum(axis=-1) < 200).any(axis=1).astype(int)
    assert (np.diff(text, prepend=0) == 1).sum() >= min(3, count)  # lines of text
    assert (strip[:, -3:] == PAPER).all()  # nothing runs out


# Labels


LABELS = np.repeat(np.array([[0, 1, 2, IGNORED]], np.uint8), 20, axis=0).repeat(20, 1)


def labelled(classes, **how):
    image = np.random.default_rng(1).integers(0, 256, (*LABELS.shape, 3), np.uint8)
    answer = LabelMap(LABELS, np.ones(LABELS.shape, np.float32), classes)
    return image, draw_labels(image, answer, **how)


@pytest.mark.parametrize(
    ("classes", "plain"),
    [
        (ClassSet("a", ("Background", "cat", "dog")), 0),
        (ClassSet("a", ("cat", "__background__", "dog")), 1),
        (ClassSet("a", ("cat", "dog", "ground"), background="ground"), 2),
        (ClassSet("a", ("background", "cat", "dog"), background="cat"), 1),
        (ClassSet("a", ("cat", "dog", "ground"), background="2"), 2),
        (ClassSet("a", ("road", "cat", "background noise")), None),
    ],
)
def test_the_background_is_left_as_it_is_and_nothing_else(classes, plain):
    image, drawn = labelled(classes, legend=False)
    for label in range(3):
        same = (drawn == image).all(axis=-1)[label == LABELS].mean()
        assert same == 1 if label == plain else same < 0.5


def test_what_does_not_count_is_hatched():
    image, drawn = labelled(ClassSet("a", ("road", "cat", "dog")), legend=False)
    same = (drawn == image).all(axis=-1)[LABELS == IGNORED].mean()
    assert 0.2 < same < 0.8


def test_a_background_that_is_no_class_is_refused():
    with pytest.raises(InputError, match=r"`background`.*grund.*ground"):
        ClassSet("a", ("ground", "cat"), background="grund")


def test_the_legend_tells_the_most_frequent_first():
    classes = ClassSet(
        "a", ("cat", "dog", "cow"), ((9, 9, 200), (9, 200, 9), (200, 9, 9))
    )
    labels = np.zeros((400, 400), np.uint8)
    labels[:100], labels[:3, :3] = 1, 2  # too little to be told
    answer = LabelMap(labels, np.ones(labels.shape, np.float32), classes)
    image = np.zeros((400, 400, 3), np.uint8)
    legend = draw_labels(image, answer)[400:]
    first = [
        np.nonzero((legend == color).all(axis=-1))[1].min(initial=9999)
        for color in classes.palette
    ]
    assert first[0] < first[1] < first[2] == 9999


def test_labels_of_every_frame_of_a_video_have_one_size():
    classes = ClassSet("a", tuple(f"class {number}" for number in range(60)))
    shapes = set()
    for count in (1, 3, 60):
        labels = np.resize(np.arange(count, dtype=np.uint8), (64, 100))
        answer = LabelMap(labels, np.ones(labels.shape, np.float32), classes)
        image = np.zeros((64, 100, 3), np.uint8)
        shapes.add(draw_labels(image, answer, lines=2).shape)
    assert len(shapes) == 1


# Files


def test_a_picture_is_read_as_it_was_written(rng, tmp_path):
    image = rng.integers(0, 256, (7, 5, 3), np.uint8)
    write_image(tmp_path / "new" / "picture.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "picture.png"), image)


def test_grey_pictures_are_written_too(rng, tmp_path):
    image = rng.integers(0, 256, (7, 5), np.uint8)
    write_image(tmp_path / "grey.png", image)
    stored = cv2.imread(str(tmp_path / "grey.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored, image)

import cv2
import numpy as np
import pytest
from spots import COLORS

from hrnet_tf.preprocess import read_image
from hrnet_tf.results import Pose
from hrnet_tf.visualize import (
    LEFT,
    MIDDLE,
    RIGHT,
    contact_sheet,
    draw_curves,
    draw_pose,
    keypoint_colors,
    write_image,
)

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
    assert {pixel(drawn, *corner) for corner in corners} == {MIDDLE}


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


def test_a_contact_sheet_has_rows_of_squares():
    images = [np.full((20, 40, 3), value, np.uint8) for value in (50, 100, 150)]
    sheet = contact_sheet(images, columns=2, side=40)
    assert sheet.shape == (80, 80, 3)
    assert sheet[:20, :40].min() == sheet[:20, :40].max() == 50
    assert sheet[:20, 40:].min() == sheet[:20, 40:].max() == 100
    assert sheet[40:60, :40].min() == sheet[40:60, :40].max() == 150
    assert sheet[20:40].max() == sheet[60:].max() == sheet[40:, 40:].max() == 0


def test_a_picture_is_read_as_it_was_written(rng, tmp_path):
    image = rng.integers(0, 256, (7, 5, 3), np.uint8)
    write_image(tmp_path / "new" / "picture.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "picture.png"), image)


def test_grey_pictures_are_written_too(rng, tmp_path):
    image = rng.integers(0, 256, (7, 5), np.uint8)
    write_image(tmp_path / "grey.png", image)
    stored = cv2.imread(str(tmp_path / "grey.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored, image)


@pytest.mark.parametrize(
    ("header", "panels"),
    [("epoch,loss", 1), ("epoch,loss,val_loss", 1), ("epoch,loss,val_AP", 2)],
)
def test_curves_share_a_panel_with_their_validation(header, panels, tmp_path):
    rows = ["0" + ",1.5" * header.count(","), "1" + ",nan" * header.count(",")]
    (tmp_path / "history.csv").write_text("\n".join([header, *rows]))
    draw_curves(tmp_path / "history.csv", tmp_path / "curves.png")
    assert read_image(tmp_path / "curves.png").shape == (350, 450 * panels, 3)


def test_a_history_without_epochs_draws_nothing(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss\n")
    draw_curves(tmp_path / "history.csv", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()

"""The drawn faces: seeded, varied, annotated where they are drawn."""

import numpy as np

from hrnet_tf import cli
from hrnet_tf.common.text_files import read_rows
from hrnet_tf.drawn.faces import LANDMARKS, SIDE, draw_face, draw_face_data_set


def test_a_seed_draws_the_same_faces_and_another_one_others():
    first, again, other = (draw_face(np.random.default_rng(n)) for n in (1, 1, 2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.points, again.points)
    assert np.abs(first.image.astype(int) - other.image).mean() > 10
    assert np.abs(first.points - other.points).mean() > 2


def test_faces_lie_in_their_images_and_around_their_points():
    rng = np.random.default_rng(0)
    turned = []
    for _ in range(40):
        face = draw_face(rng)
        assert face.image.shape == (SIDE, SIDE, 3)
        assert (face.points > 0).all()
        assert (face.points < SIDE - 1).all()
        x, y, width, height = face.box
        inside = (face.points > (x, y)) & (face.points < (x + width, y + height))
        assert inside.mean() > 0.9
        eyes = [LANDMARKS.index(f"{side}_pupil") for side in ("right", "left")]
        right, left = face.points[eyes]
        assert right[0] < left[0]  # the face's right is on the image's left
        turned.append(np.rad2deg(np.arctan2(*(left - right)[::-1])))
        for column, row in np.round(face.points[eyes]).astype(int):
            near = face.image[row - 1 : row + 2, column - 1 : column + 2]
            assert near.min() < 90  # a pupil
    assert np.std(turned) > 5


def test_what_is_drawn_is_not_drawn_again(tmp_path, capsys):
    out = tmp_path / "faces"
    cli.main(["draw", "faces", "--out", str(out), "--train", "3", "--validation", "2"])
    assert str(out) in capsys.readouterr().out
    rows = read_rows(out / "faces_train.csv")
    assert [row["image"] for row in rows] == ["000001.jpg", "000002.jpg", "000003.jpg"]
    assert len(rows[0]) == 5 + 2 * len(LANDMARKS)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    draw_face_data_set(out, 3, 2)
    assert times == {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    draw_face_data_set(out, 4, 2)
    assert len(read_rows(out / "faces_train.csv")) == 4

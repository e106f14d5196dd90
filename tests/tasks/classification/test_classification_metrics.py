import csv

import numpy as np
import pytest

from hrnet_tf.tasks.classification.metrics import ClassificationScores

CLASSES = ("cat", "dog", "hare")
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]], np.float32
)
LABELS = np.array([0, 1, 1, 0])


@pytest.fixture
def scores():
    scores = ClassificationScores(3)
    scores.update(PROBABILITIES, LABELS)
    return scores


def test_statistics_by_hand(scores):
    loss = -np.log([0.7, 0.4, 0.8, 0.1]).mean()
    expected = {"top1": 0.5, "top5": 1.0, "loss": pytest.approx(loss, rel=1e-6)}
    assert scores.statistics() == expected


def test_rows_of_the_confusion_matrix_are_the_true_classes(scores):
    expected = [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(scores.confusion_matrix, expected)


def test_classes_by_hand(scores):
    # Cat: 1 of 2 found, 1 of 2 right. Dog: 1 of 2 found, 1 of 1 right. Hare: no image.
    assert scores.rows(CLASSES) == [
        ("cat", 2, 0.5, 0.5, 0.5),
        ("dog", 2, 1.0, 0.5, pytest.approx(2 / 3)),
        ("hare", 0, 0.0, 0.0, 0.0),
    ]


def test_five_guesses_are_enough_and_six_are_not():
    falling = np.linspace(0.3, 0.1, 7)[None]
    for label, expected in ((0, 1.0), (4, 1.0), (5, 0.0)):
        scores = ClassificationScores(7)
        scores.update(falling, np.array([label]))
        assert scores.statistics()["top5"] == expected


def test_of_equal_classes_the_first_is_the_guess():
    equal = np.full((1, 6), 1 / 6)
    for label, top1, top5 in ((0, 1.0, 1.0), (4, 0.0, 1.0), (5, 0.0, 0.0)):
        scores = ClassificationScores(6)
        scores.update(equal, np.array([label]))
        statistics = scores.statistics()
        assert (statistics["top1"], statistics["top5"]) == (top1, top5)


def test_batches_add_up(scores, rng):
    probabilities = rng.dirichlet(np.ones(9), 50)
    labels = rng.integers(0, 9, 50)
    whole, parts = ClassificationScores(9), ClassificationScores(9)
    whole.update(probabilities, labels)
    for rows in np.split(np.arange(50), (7, 20, 21)):
        parts.update(probabilities[rows], labels[rows])
    assert parts.statistics() == pytest.approx(whole.statistics())
    np.testing.assert_array_equal(parts.confusion_matrix, whole.confusion_matrix)
    order = np.argsort(-probabilities, axis=1)
    among = (order[:, :5] == labels[:, None]).any(axis=1)
    assert whole.statistics()["top5"] == pytest.approx(among.mean())


def test_images_without_weight_do_not_count(scores):
    again = ClassificationScores(3)
    again.update(PROBABILITIES, LABELS, np.ones(4))
    again.update(PROBABILITIES[::-1], LABELS, np.zeros(4))
    assert again.statistics() == scores.statistics()
    np.testing.assert_array_equal(again.confusion_matrix, scores.confusion_matrix)


def test_an_impossible_label_costs_a_finite_loss():
    scores = ClassificationScores(2)
    scores.update(np.array([[1.0, 0.0]]), np.array([1]))
    assert scores.statistics()["loss"] == pytest.approx(-np.log(1e-12))


def test_before_the_first_image_nothing_is_known():
    assert np.isnan(list(ClassificationScores(2).statistics().values())).all()


def test_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match=r"must be \(4, 2\), got \(4, 3\)"):
        ClassificationScores(2).update(PROBABILITIES, LABELS)


def test_the_table_has_a_line_for_each_class(scores):
    head, *lines = scores.table(CLASSES).splitlines()
    assert head.split() == ["class", "images", "precision", "recall", "f1"]
    assert lines[1].split() == ["dog", "2", "1.000", "0.500", "0.667"]
    assert [line.split()[0] for line in lines] == list(CLASSES)
    assert len({len(line) for line in (head, *lines)}) == 1


def test_the_file_has_a_row_for_each_class(scores, tmp_path):
    scores.write_csv(tmp_path / "classes.csv", ("cat, big", *CLASSES[1:]))
    with open(tmp_path / "classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["cat, big", "dog", "hare"]
    assert rows[1]["images"] == "2"
    assert float(rows[1]["f1"]) == pytest.approx(2 / 3)

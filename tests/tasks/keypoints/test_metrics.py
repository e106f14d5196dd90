import copy

import keras
import numpy as np
import pytest

from hrnet_tf import HeatmapCodec, KeypointAccuracy
from hrnet_tf.tasks.keypoints.coco import index
from hrnet_tf.tasks.keypoints.coco_scores import (
    STATISTICS,
    average_precision,
    person_scores,
    similarity,
    suppress,
    suppress_softly,
)
from support.official import read_arrays

MEDIUM = 5000.0  # square pixels: between 32 * 32 and 96 * 96


@pytest.fixture
def detections():
    """Keypoints, scores and areas of the 20 recorded people."""
    arrays = read_arrays("protocol", "pose_oks_nms")
    return (arrays["keypoints"][..., :2], arrays["scores"], arrays["areas"]), arrays


@pytest.fixture
def two_people(rng, coco_set):
    """Keypoints `(2, 17, 2)` of two people far from each other."""
    people = rng.uniform(10, 90, (2, len(coco_set), 2))
    people[1, :, 0] += 500
    return people


def annotated(people, first_id=1):
    """The annotations of people in image 7."""
    annotations = [
        {
            "id": first_id + number,
            "image_id": 7,
            "category_id": 1,
            "area": MEDIUM,
            "iscrowd": 0,
            "bbox": [*keypoints.min(axis=0), 100, 100],
            "keypoints": np.insert(keypoints, 2, 2, axis=1).ravel().tolist(),
            "num_keypoints": len(keypoints),
        }
        for number, keypoints in enumerate(people)
    ]
    image = {"id": 7, "file_name": "7.jpg", "width": 640, "height": 480}
    categories = [{"id": 1, "name": "person"}]
    return index(
        {"images": [image], "annotations": annotations, "categories": categories}
    )


@pytest.fixture
def ground_truth(two_people):
    return annotated(two_people)


def as_results(keypoints, scores=(0.9, 0.8)):
    return [
        {
            "image_id": 7,
            "category_id": 1,
            "keypoints": np.insert(person, 2, 1, axis=1).ravel().tolist(),
            "score": score,
        }
        for person, score in zip(keypoints, scores, strict=True)
    ]


def moved(keypoints, oks, sigmas):
    """Keypoints so far to the right that each has this similarity with the old one."""
    distance = np.sqrt(-2 * np.log(oks) * MEDIUM) * 2 * np.asarray(sigmas)
    return keypoints + np.stack([distance, np.zeros_like(distance)], axis=-1)


def test_a_person_is_like_itself(two_people, coco_set):
    areas = np.full(2, 100.0)
    alike = similarity(two_people[0], two_people, 100.0, areas, coco_set.sigmas)
    np.testing.assert_allclose(alike, [1, 0], atol=1e-9)


def test_similarity_by_hand():
    # Distances 3 and 4; sizes (100 + 300) / 2; variances (2 * 0.1)^2 and (2 * 0.2)^2.
    person, other = np.zeros((2, 2)), np.array([[[3.0, 0.0], [0.0, 4.0]]])
    expected = (np.exp(-9 / 0.04 / 200 / 2) + np.exp(-16 / 0.16 / 200 / 2)) / 2
    alike = similarity(person, other, 100.0, np.array([300.0]), (0.1, 0.2))
    np.testing.assert_allclose(alike, [expected])


@pytest.mark.parametrize("threshold", [0.9, 0.5])
def test_suppression_is_that_of_the_original(threshold, detections, coco_set):
    people, arrays = detections
    kept = suppress(*people, coco_set.sigmas, threshold)
    np.testing.assert_array_equal(
        kept, arrays[f"keep_at_{threshold}".replace(".", "_")]
    )


def test_soft_suppression_is_that_of_the_original(detections, coco_set):
    people, arrays = detections
    kept = suppress_softly(*people, coco_set.sigmas, 0.5)
    np.testing.assert_array_equal(kept, arrays["soft_keep_at_0_5"])


def test_of_doubles_the_best_stays(two_people, coco_set):
    doubles = two_people[[0, 0, 1]]
    scores, areas = np.array([0.5, 0.9, 0.7]), np.full(3, MEDIUM)
    kept = suppress(doubles, scores, areas, coco_set.sigmas)
    np.testing.assert_array_equal(kept, [1, 2])


def test_soft_suppression_puts_a_double_last(two_people, coco_set):
    doubles = two_people[[0, 0, 1]]
    scores, areas = np.array([0.8, 0.9, 0.5]), np.full(3, MEDIUM)
    # The double falls to 0.8 * exp(-1 / 0.9) = 0.26.
    kept = suppress_softly(doubles, scores, areas, coco_set.sigmas)
    np.testing.assert_array_equal(kept, [1, 2, 0])


def test_soft_suppression_keeps_at_most_so_many(detections, coco_set):
    people, arrays = detections
    kept = suppress_softly(*people, coco_set.sigmas, 0.5, most=3)
    np.testing.assert_array_equal(kept, arrays["soft_keep_at_0_5"][:3])


@pytest.mark.parametrize("choose", [suppress, suppress_softly])
def test_nobody_stays_nobody(choose, coco_set):
    kept = choose(np.zeros((0, 17, 2)), np.zeros(0), np.zeros(0), coco_set.sigmas)
    assert kept.tolist() == []


def test_people_are_rescored_by_their_confident_keypoints():
    scores = np.array([[0.1, 0.4, 0.8], [0.1, 0.2, 0.0]])
    rescored = person_scores(np.array([0.5, 0.9]), scores, threshold=0.2)
    np.testing.assert_allclose(rescored, [0.5 * (0.4 + 0.8) / 2, 0])


def test_perfect_predictions_have_full_precision(ground_truth, two_people, coco_set):
    statistics = average_precision(
        ground_truth, as_results(two_people), 1, coco_set.sigmas
    )
    large = {"APL": -1, "ARL": -1}  # nobody is that large
    assert statistics == pytest.approx({**dict.fromkeys(STATISTICS, 1.0), **large})


def test_shifted_predictions_pass_the_thresholds_below(
    ground_truth, two_people, coco_set
):
    shifted = moved(two_people, 0.67, coco_set.sigmas)
    statistics = average_precision(
        ground_truth, as_results(shifted), 1, coco_set.sigmas
    )
    # 0.50, 0.55, 0.60 and 0.65 of ten thresholds up to 0.95.
    assert statistics["AP"] == pytest.approx(0.4)
    assert statistics["AR"] == pytest.approx(0.4)
    assert statistics["AP50"] == pytest.approx(1)
    assert statistics["AP75"] == pytest.approx(0)


def test_a_better_scored_wrong_person_halves_the_precision(
    ground_truth, two_people, coco_set
):
    people = np.concatenate([two_people[:1] + 200, two_people[:1]])
    statistics = average_precision(ground_truth, as_results(people), 1, coco_set.sigmas)
    # One of two is found, as the second: precision 1/2 at the 51 of 101 recalls to 0.5.
    assert statistics["AP"] == pytest.approx(0.5 * 51 / 101)
    assert statistics["AR"] == pytest.approx(0.5)


def test_an_annotation_with_id_0_can_be_found(two_people, coco_set):
    from_zero = annotated(two_people, first_id=0)
    statistics = average_precision(
        from_zero, as_results(two_people), 1, coco_set.sigmas
    )
    assert statistics["AP"] == pytest.approx(1)


def test_precision_uses_the_given_sigmas(ground_truth, two_people, coco_set):
    shifted = as_results(moved(two_people, 0.67, coco_set.sigmas))
    wider = np.multiply(coco_set.sigmas, 10)
    assert average_precision(ground_truth, shifted, 1, wider)["AP"] == pytest.approx(1)


def test_nothing_found_is_no_precision(ground_truth, coco_set):
    statistics = average_precision(ground_truth, [], 1, coco_set.sigmas)
    assert statistics == dict.fromkeys(STATISTICS, 0.0)


def test_judging_leaves_the_results_alone_and_prints_nothing(
    ground_truth, two_people, coco_set, capsys
):
    results = as_results(two_people)
    before = copy.deepcopy(results)
    average_precision(ground_truth, results, 1, coco_set.sigmas)
    assert results == before
    assert capsys.readouterr().out == ""


@pytest.fixture
def peaks():
    """Heatmaps `(1, 20, 10, 3)` with their peaks at x, y = 2, 4; 5, 10 and 8, 16."""
    points = np.array([[[8, 16, 1], [20, 40, 1], [32, 64, 1]]], np.float32)
    return HeatmapCodec(4).encode(points, (20, 10))[0]


def test_accuracy_by_hand(peaks):
    # A tenth of the sides is 1 cell in x and 2 in y: half of it is 2 and 4 pixels.
    keypoints = np.array([[[9.9, 16, 1], [20, 43.9, 1], [34.1, 64, 1]]], np.float32)
    metric = KeypointAccuracy(stride=4)
    metric.update_state(keypoints, peaks)
    assert float(metric.result()) == pytest.approx(2 / 3)


def test_accuracy_grows_with_the_threshold(peaks):
    keypoints = np.array([[[9.9, 16, 1], [20, 43.9, 1], [34.1, 64, 1]]], np.float32)
    metric = KeypointAccuracy(stride=4, threshold=0.6)
    metric.update_state(keypoints, peaks)
    assert float(metric.result()) == 1


def test_keypoints_without_annotation_do_not_count(peaks):
    keypoints = np.array([[[8, 16, 1], [0, 0, 0], [0, 0, 1]]], np.float32)
    metric = KeypointAccuracy(stride=4)
    metric.update_state(keypoints, peaks)
    assert float(metric.result()) == 0.5


def test_batches_add_up(peaks):
    good = np.array([[[8, 16, 1], [20, 40, 1], [32, 64, 1]]], np.float32)
    bad = np.array([[[0, 0, 1], [0, 0, 0], [0, 0, 0]]], np.float32)
    metric = KeypointAccuracy(stride=4)
    metric.update_state(good, peaks)
    metric.update_state(bad, peaks)
    assert float(metric.result()) == 0.75


def test_samples_without_weight_do_not_count(peaks):
    good = [[8, 16, 1], [20, 40, 1], [32, 64, 1]]
    bad = [[0, 0, 1], [0, 0, 1], [0, 0, 1]]
    keypoints = np.array([good, bad], np.float32)
    metric = KeypointAccuracy(stride=4)
    metric.update_state(keypoints, np.repeat(peaks, 2, axis=0), np.array([1.0, 0.0]))
    assert float(metric.result()) == 1


def test_a_new_epoch_starts_at_zero(peaks):
    metric = KeypointAccuracy(stride=4)
    metric.update_state(np.array([[[8, 16, 1]] * 3], np.float32), peaks)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_a_metric_is_rebuilt_from_its_configuration():
    metric = KeypointAccuracy(stride=8, threshold=0.25)
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert isinstance(again, KeypointAccuracy)
    assert (again.stride, again.threshold) == (8, 0.25)

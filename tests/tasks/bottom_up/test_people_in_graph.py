"""Grouping inside a graph against NumPy's, which equals the official program's."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.opencv import cv2
from hrnet_tf.export.signatures import serving_function, signature_of
from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks.bottom_up import graph_assignment, graph_grouping
from hrnet_tf.tasks.bottom_up.assignment import assign
from hrnet_tf.tasks.bottom_up.graph_maps import GraphMaps
from hrnet_tf.tasks.bottom_up.grouping import Grouping, group
from hrnet_tf.tasks.bottom_up.maps import PeopleMaps, Seen, merge
from hrnet_tf.tasks.bottom_up.predictor import BottomUpPredictor
from support.official import read_arrays
from support.spots import people_image, people_manifest, people_network
from tasks.bottom_up.test_grouping import Case

KEYPOINTS = 5


def graph(settings, finer=2, keypoints=KEYPOINTS):
    def find(heatmaps, tags):
        return graph_grouping.group(GraphMaps(heatmaps, tags, finer), settings)

    maps = tf.TensorSpec((None, None, keypoints), tf.float32)
    return tf.function(find, input_signature=[maps, maps], autograph=False)


def check(find, maps, settings):
    """Both find the same people, of whom there is how many."""
    wanted, scores = group(maps, settings)
    found, sure = find(maps.heatmaps, maps.tags)
    assert len(found) == len(wanted)
    np.testing.assert_allclose(found[..., 2], wanted[..., 2], atol=1e-5)
    np.testing.assert_allclose(sure, scores, atol=1e-6)
    # Of two neighbours that are equal but for the last digit refinement takes either.
    apart = np.abs(found[..., :2] - wanted[..., :2])
    assert apart.max(initial=0) <= 0.5
    assert (apart > 1e-5).sum() <= 0.05 * apart.size
    return len(wanted)


@pytest.fixture(scope="module")
def assigned():
    given = [tf.TensorSpec((None, None), tf.float64)]
    return tf.function(graph_assignment.assign, given, autograph=False)


def test_assignments_are_those_of_the_record(assigned):
    record = read_arrays("bottom_up", "assignment")
    for number in range(60):
        cost = record[f"m{number}_cost"].astype(np.float64)
        if cost.shape[0] <= cost.shape[1]:
            expected = record[f"m{number}_column_of_row"]
            np.testing.assert_array_equal(assigned(cost), expected)


def test_ties_end_as_in_numpy(assigned, rng):
    for _ in range(60):
        columns = int(rng.integers(1, 31))
        rows = int(rng.integers(1, columns + 1))
        # Rounded distances and values, as grouping has them: few numbers, many ties.
        cost = 100 * rng.integers(0, 4, (rows, columns)) - rng.random((rows, 1))
        np.testing.assert_array_equal(assigned(cost), assign(cost))


def test_people_of_recorded_maps_are_those_of_numpy():
    for name in ("people4_crowdpose", "people8"):
        case = Case(name)
        find = graph(case.settings, keypoints=case.count)
        maps = merge([Seen(case.outputs(1.0))], case.mirror, case.look(1.0).size, 0)
        assert check(find, maps, case.settings)


def crowd(rng, people, finer=2, apart=1.0, noise=0.02):
    """Maps of people with missing keypoints, whose tags may be alike."""
    heatmaps = rng.normal(0, noise, (64, 80, KEYPOINTS)).astype(np.float32)
    heatmaps = cv2.GaussianBlur(heatmaps, (3, 3), 0)
    tags = rng.normal(0, 0.05, (32, 40, KEYPOINTS)).astype(np.float32)
    rows, columns = np.mgrid[:64, :80]
    for number in range(people):
        middle = rng.uniform((10, 10), (54, 70))
        for keypoint in np.flatnonzero(rng.random(KEYPOINTS) > 0.25):
            y, x = np.clip(middle + rng.normal(0, 8, 2), 3, (60, 76))
            spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
            spot = (rng.uniform(0.3, 1) * spot).astype(np.float32)
            heatmaps[..., keypoint] = np.maximum(heatmaps[..., keypoint], spot)
            near = (
                slice(int(y / 2) - 1, int(y / 2) + 3),
                slice(int(x / 2) - 1, int(x / 2) + 3),
            )
            tags[near][..., keypoint] = number * apart + rng.normal(0, 0.1)
    return PeopleMaps((64 * finer, 80 * finer), heatmaps, tags, (64, 80))


@pytest.mark.parametrize("finer", [1, 2])
@pytest.mark.parametrize(
    "settings",
    [
        Grouping(),
        Grouping(threshold=0.01, refine=False),
        Grouping(most=4, tag_threshold=0.6, adjust=False),
    ],
)
def test_crowds_are_those_of_numpy(finer, settings, rng):
    find = graph(settings, finer)
    counts = [
        check(find, crowd(rng, people, finer, apart), settings)
        for people, apart in (
            (0, 1.0),
            (1, 1.0),
            (6, 1.0),
            (10, 0.4),
            (25, 0.3),
            (8, 0),
        )
    ]
    assert max(counts) > 12


def test_many_searches_and_flat_tags_are_looked_at_in_parts(rng, monkeypatch):
    from hrnet_tf.tasks.bottom_up import graph_refine

    monkeypatch.setattr(graph_refine, "SEARCHES", 3)
    monkeypatch.setattr(graph_refine, "BLOCKS", 50)
    maps = crowd(rng, 6)
    find = graph(Grouping())
    assert check(find, maps, Grouping()) > 3
    flat = replace(maps, tags=np.zeros_like(maps.tags))
    check(find, flat, Grouping())


# Encoded images

SIZES = {
    (120, 140): [
        [(60, 40), (48, 72), (82, 80)],
        [(20, 30), (100, 30), (25, 100)],
        [(110, 95), (85, 100), (118, 20)],
    ],
    (150, 90): [[(30, 20), (60, 50), (60, 110)]],
    (90, 100): [],
}
IMAGES = [people_image(size, people) for size, people in SIZES.items()]


def encoded(images):
    return tf.constant([tf.io.encode_png(image).numpy() for image in images])


def serving(manifest):
    network = people_network()
    serve = serving_function(lambda x: network(x, training=False), manifest)
    given = signature_of(manifest).inputs
    return network, tf.function(serve, input_signature=given, autograph=False)


@pytest.mark.parametrize("project", [True, False])
def test_files_of_any_size_give_the_people_of_the_predictor(project):
    manifest = people_manifest(project=project)
    network, serve = serving(manifest)
    predictor = BottomUpPredictor.from_model(network, manifest)
    found = {name: value.numpy() for name, value in serve(encoded(IMAGES)).items()}
    np.testing.assert_array_equal(found["counts"], [3, 1, 0])
    assert found["keypoints"].shape == (3, 3, 3, 3)
    for number, (image, true) in enumerate(zip(IMAGES, SIZES.values(), strict=True)):
        count = found["counts"][number]
        people = predictor.predict(image)
        assert len(people) == count
        own = found["keypoints"][number]
        np.testing.assert_allclose(own[:count, :, :2], people.keypoints, atol=0.6)
        np.testing.assert_allclose(own[:count, :, 2], people.scores, atol=0.02)
        scores = found["scores"][number]
        np.testing.assert_allclose(scores[:count], people.person_scores, atol=0.02)
        assert not own[count:].any()
        assert not scores[count:].any()
        if count:
            np.testing.assert_allclose(own[:count, :, :2], true, atol=2)


def test_no_images_have_no_people():
    _, serve = serving(people_manifest())
    found = serve(tf.constant([], tf.string))
    assert found["keypoints"].shape == (0, 0, 3, 3)
    assert found["scores"].shape == (0, 0)
    assert found["counts"].shape == (0,)


def test_an_image_that_would_be_looked_at_very_large_is_refused():
    limits = Limits(side=4000, pixels=128 * 512, images=3)
    _, serve = serving(replace(people_manifest(), limits=limits))
    fine, long = (np.zeros((10, width, 3), np.uint8) for width in (40, 50))
    assert serve(encoded([fine]))["counts"].numpy() == [0]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Image 1 .* looked at in \[128 640\]"
    ):
        serve(encoded([fine, long]))


def test_answers_that_are_no_numbers_are_refused():
    manifest = people_manifest()

    def network(images):
        heatmaps = images[:, ::2, ::2] * np.nan
        both = tf.concat([heatmaps[:, ::2, ::2]] * 2, axis=-1)
        return {"heatmaps_and_tags": both, "heatmaps": heatmaps}

    serve = serving_function(network, manifest)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not finite"):
        serve(encoded(IMAGES[:1]))

"""Inference against the record of the official program: maps to people."""

import numpy as np
import pytest

from hrnet_tf.tasks.bottom_up import refine as refining
from hrnet_tf.tasks.bottom_up.assignment import assign
from hrnet_tf.tasks.bottom_up.geometry import look_at, look_into
from hrnet_tf.tasks.bottom_up.grouping import (
    Grouping,
    find_candidates,
    group,
    match_by_tag,
)
from hrnet_tf.tasks.bottom_up.maps import PeopleMaps, Seen, merge
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet
from support.official import read_arrays

INFERENCE = read_arrays("bottom_up", "inference")
CASES = sorted({name.split("/")[0] for name in INFERENCE})
CROWDPOSE_MIRROR = np.array([1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 12, 13])


class Case:
    """One image of the record."""

    def __init__(self, name):
        self.name = name
        self.count = len(self("top_values"))
        self.mirror = KeypointSet.read("coco").mirror
        if self.count == 14:
            self.mirror = CROWDPOSE_MIRROR
        self.scales = sorted(self("scales").tolist(), reverse=True)
        self.settings = Grouping(
            adjust=bool(self("adjust")), refine=bool(self("refine"))
        )

    def __call__(self, key):
        return INFERENCE[f"{self.name}/{key}"]

    def look(self, scale):
        least = min(self.scales)
        return look_at(self("image_hw"), int(self("input_size")), scale, least)

    def outputs(self, scale, prefix=""):
        both, half = (
            self(f"scale{scale:g}/{prefix}output_{number}")[0]
            .astype(np.float32)
            .transpose(1, 2, 0)
            .copy()
            for number in (0, 1)
        )
        quarter, tags = np.split(both, 2, axis=-1)
        return {
            "quarter_heatmaps": np.ascontiguousarray(quarter),
            "tags": np.ascontiguousarray(tags),
            "heatmaps": half,
        }

    def maps(self):
        flip = bool(self("flip"))
        seen = [
            Seen(self.outputs(s), self.outputs(s, "flipped_") if flip else None)
            for s in self.scales
        ]
        size = self.look(1.0).size if self("project_to_image") else None
        tagged = self.scales.index(1.0) if len(seen) > 1 else 0
        return merge(seen, self.mirror, size, tagged)


@pytest.mark.parametrize("name", CASES)
def test_people_are_those_of_the_record(name):
    case = Case(name)
    maps = case.maps()
    heatmaps = maps.everywhere()
    assert heatmaps.shape == tuple(case("final_heatmaps_shape")[[2, 3, 1]])
    sums = heatmaps.sum(axis=(0, 1), dtype=np.float64)
    np.testing.assert_allclose(sums, case("final_heatmap_sums"), atol=1e-5)
    squares = np.square(heatmaps, dtype=np.float64).sum(axis=(0, 1))
    np.testing.assert_allclose(squares, case("final_heatmap_square_sums"), atol=1e-5)
    if case("final_heatmaps_every_2nd").size:
        found = heatmaps[::2, ::2].transpose(2, 0, 1)
        np.testing.assert_allclose(
            found, case("final_heatmaps_every_2nd")[0], atol=1e-6
        )

    candidates = find_candidates(maps, case.settings)
    np.testing.assert_allclose(candidates.values, case("top_values"), atol=1e-6)
    there = candidates.values > 0
    places = np.stack([candidates.x, candidates.y], axis=-1)
    np.testing.assert_array_equal(places[there], case("top_xy")[there])
    np.testing.assert_allclose(candidates.tags, case("top_tags"), atol=1e-6)

    matched = match_by_tag(candidates, case.settings)
    np.testing.assert_allclose(matched, case("matched"), atol=1e-5)
    people, scores = group(maps, case.settings)
    np.testing.assert_allclose(people, case("grouped"), atol=1e-5)
    np.testing.assert_allclose(scores, case("scores"), atol=1e-6)
    matrix = case.look(min(case.scales)).matrix_from(maps.size)
    found = people[..., :2] @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(found, case("final_keypoints")[..., :2], atol=1e-4)


@pytest.mark.parametrize("name", ["people3", "people8", "people4_crowdpose"])
def test_bounds_leave_nothing_out(name):
    case = Case(name)
    maps, rng = case.maps(), np.random.default_rng(0)
    keypoint = rng.integers(0, case.count, 60)
    means = rng.normal(0, 4, (60, maps.kinds)).astype(np.float32)
    found = refining._Bounded(maps, keypoint, means).best()
    np.testing.assert_array_equal(found, refining._everywhere(maps, keypoint, means))


def test_flat_maps_are_looked_at_everywhere(monkeypatch):
    tags = np.zeros((16, 16, 2), np.float32)
    maps = PeopleMaps((64, 64), np.zeros((32, 32, 2), np.float32), tags, (32, 32))
    monkeypatch.setattr(refining, "MOST_BLOCKS", 10)
    places = refining.best_places(maps, np.array([0, 1]), np.zeros((2, 1), np.float32))
    np.testing.assert_array_equal(places, np.zeros((2, 2)))


def test_places_between_cells_are_those_of_the_whole_grid():
    rng = np.random.default_rng(0)
    heatmaps = rng.random((24, 40, 3), np.float32)
    tags = rng.random((12, 20, 3), np.float32)
    maps = PeopleMaps((48, 80), heatmaps, tags, (24, 40))
    whole = PeopleMaps((48, 80), maps.everywhere(), tags, (24, 40))
    settings = Grouping(most=200, threshold=0.3)
    ours, theirs = (find_candidates(each, settings) for each in (maps, whole))
    assert (ours.values > 0).sum() > 100
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-6)
    np.testing.assert_array_equal(ours.x, theirs.x)
    np.testing.assert_array_equal(ours.y, theirs.y)


def test_assignments_are_those_of_the_record():
    record = read_arrays("bottom_up", "assignment")
    differ = 0
    for number in range(60):
        found = assign(record[f"m{number}_cost"])
        np.testing.assert_array_equal(found, record[f"m{number}_column_of_row"])
        differ += not record[f"m{number}_same_as_scipy"]
    assert differ  # ties decide in some


def test_rows_beyond_the_columns_get_none():
    np.testing.assert_array_equal(assign(np.array([[2.0], [1.0], [3.0]])), [-1, 0, -1])


def test_grouping_of_given_maps_is_that_of_the_record():
    record = read_arrays("protocol", "bottom_up_grouping")
    heatmaps, tags = record["heatmaps"][0], record["tags"][0, ..., 0]
    planes = (
        np.ascontiguousarray(each.transpose(1, 2, 0)) for each in (heatmaps, tags)
    )
    heatmaps, tags = planes
    maps = PeopleMaps((64, 64), heatmaps, tags, (64, 64))
    people, scores = group(maps)
    np.testing.assert_allclose(people, record["people"], atol=1e-5)
    np.testing.assert_allclose(scores, record["scores"], atol=1e-6)
    plain, _ = group(maps, Grouping(adjust=False, refine=False))
    np.testing.assert_allclose(plain, record["people_without_adjust_refine"], atol=1e-5)


def test_sizes_are_those_of_the_record():
    record = read_arrays("bottom_up", "test_sizes")
    for number, (height, width, side, scale, least) in enumerate(record["cases"]):
        look = look_at((height, width), int(side), scale, least)
        assert look.size == tuple(record["size_wh"][number][::-1])
        np.testing.assert_array_equal(look.center, record["center"][number])
        assert look.width == pytest.approx(200 * record["scale"][number][0])
        np.testing.assert_allclose(look.matrix, record["forward"][number], atol=2e-3)
        back = look.matrix_from(look.size)
        np.testing.assert_allclose(back, record["inverse"][number], atol=2e-3)


def test_a_look_into_one_size_shows_the_whole_image():
    corners = np.array([[0, 0, 1], [199, 99, 1]])
    for size in ((64, 64), (128, 64)):
        places = corners @ look_into((100, 200), size).matrix.T
        assert (places > -1).all()
        assert (places < [size[1], size[0]]).all()

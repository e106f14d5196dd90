"""What follows a bottom-up network, beside a literal version of the official program.

Ten people in an image of 512 pixels, looked at with the mirrored one too: from the
network's answers to poses in pixels of the image, all on one core. The peer does what
the official program does, with NumPy and OpenCV: all maps at the image's size, the best
place of every keypoint of every person looked for everywhere, in loops.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.report import Result
from hrnet_tf.common.latency import median_latency
from hrnet_tf.common.opencv import cv2
from hrnet_tf.tasks.bottom_up.assignment import assign
from hrnet_tf.tasks.bottom_up.geometry import look_at
from hrnet_tf.tasks.bottom_up.graph_grouping import group as group_in_graph
from hrnet_tf.tasks.bottom_up.graph_maps import GraphMaps
from hrnet_tf.tasks.bottom_up.grouping import NOBODY, ORDER, Grouping, group
from hrnet_tf.tasks.bottom_up.maps import Outputs, Seen, merge
from hrnet_tf.tasks.bottom_up.serving import averaged
from hrnet_tf.tasks.keypoints.keypoint_set import KeypointSet

SIDE, PEOPLE = 512, 10
LACKING = 0.15  # share of the keypoints that a person lacks
TARGET, RATIO = 15.0, 10.0  # milliseconds, and against the peer
SERVED = 60.0  # milliseconds, inside a graph
ROUNDS = 20


def answers_of_a_network(
    mirror: np.ndarray, rng: np.random.Generator
) -> tuple[Seen, np.ndarray]:
    """What a trained network answers where ten people stand, and the people.

    Heatmaps have noise as smooth as convolutions leave it, tags are smooth within a
    person and differ between people, and some keypoints are not found.
    """
    count = len(mirror)
    centers = np.stack(
        [np.linspace(50, SIDE - 50, PEOPLE), rng.uniform(120, SIDE - 120, PEOPLE)], -1
    )
    people = centers[:, None] + rng.uniform(-70, 70, (PEOPLE, count, 2)) * [0.5, 1]
    people = np.clip(people, 4, SIDE - 5)
    there = rng.random((PEOPLE, count)) > LACKING
    people = np.concatenate([people, there[..., None]], axis=-1)

    def draw(points: np.ndarray) -> Outputs:
        heatmaps = {stride: _heatmaps(points, SIDE // stride, rng) for stride in (2, 4)}
        cells = SIDE // 4
        rows, columns = np.mgrid[:cells, :cells] * 4.0
        apart = [
            np.hypot(columns[..., None] - p[:, 0], rows[..., None] - p[:, 1])
            for p in points
        ]
        tags = np.argmin(apart, axis=0) * 1.5 + rng.normal(
            0, 0.05, (cells, cells, count)
        )
        return {
            "quarter_heatmaps": heatmaps[4],
            "heatmaps": heatmaps[2],
            "tags": tags.astype(np.float32),
        }

    mirrored = people[:, mirror].copy()
    mirrored[..., 0] = SIDE - 1 - mirrored[..., 0]
    return Seen(draw(people), draw(mirrored)), people


def _heatmaps(people: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    noise = rng.normal(0, 1, (side, side, people.shape[1]))
    maps = (
        0.005 * cv2.GaussianBlur(noise, (0, 0), 1.0) / 0.28
    )  # 0.28: what is left of 1
    for person in people:
        for k, (x, y, there) in enumerate(person):
            if there:
                apart = (columns - x * side / SIDE) ** 2 + (rows - y * side / SIDE) ** 2
                maps[..., k] = np.maximum(maps[..., k], 0.8 * np.exp(-apart / 8))
    return maps.astype(np.float32)


def poses(seen: Seen, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ours: keypoints in pixels of the image, `(people, keypoints, 2)`, and scores."""
    look = look_at((SIDE, SIDE), SIDE)
    people, scores = group(merge([seen], mirror, look.size, 0), Grouping())
    matrix = look.matrix_from(look.size)
    return people[..., :2] @ matrix[:, :2].T + matrix[:, 2], scores


def served_poses(seen: Seen) -> Callable[[], tuple[tf.Tensor, tf.Tensor]]:
    """Ours as the signature `people` has it: in a graph, of the image alone."""

    @partial(tf.function, autograph=False)
    def find(quarter: tf.Tensor, half: tf.Tensor, tags: tf.Tensor) -> Any:
        maps = {"quarter_heatmaps": quarter, "heatmaps": half, "tags": tags}
        merged = averaged({name: value[None] for name, value in maps.items()})
        heatmaps, own = merged["heatmaps"][0], merged["tags"][0]
        return group_in_graph(GraphMaps(heatmaps, own, finer=2), Grouping())

    names = ("quarter_heatmaps", "heatmaps", "tags")
    given = [tf.constant(seen.outputs[name]) for name in names]
    return lambda: find(*given)


def literal_poses(seen: Seen, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The peer: the same, step by step as the official program describes it."""
    heatmaps, tags = _at_image_size(seen, mirror)
    count, height, width = heatmaps.shape
    square = np.ones((5, 5), np.uint8)
    persons: dict[float, np.ndarray] = {}
    person_tags: dict[float, list[np.ndarray]] = {}
    for k in ORDER:
        kept = np.where(cv2.dilate(heatmaps[k], square) == heatmaps[k], heatmaps[k], 0)
        best = np.argsort(-kept.ravel(), kind="stable")[:30]
        best = best[kept.ravel()[best] > 0.1]
        y, x = np.divmod(best, width)
        rows = np.stack([x, y, heatmaps[k, y, x], *tags[k, y, x].T], axis=1)
        keys = list(persons)[:30]
        if keys and len(rows):
            means = np.array([np.mean(person_tags[key], axis=0) for key in keys])
            apart = np.linalg.norm(rows[:, None, 3:] - means[None], axis=2)
            cost = np.round(apart) * 100 - rows[:, 2:3]
            missing = max(0, len(rows) - len(keys))
            owners = assign(
                np.pad(cost, ((0, 0), (0, missing)), constant_values=NOBODY)
            )
        for index, row in enumerate(rows):
            if keys and owners[index] < len(keys) and apart[index, owners[index]] < 1:
                key = keys[owners[index]]
                person_tags[key].append(row[3:])
            else:
                key = float(row[3])
                person_tags[key] = [row[3:]]
            persons.setdefault(key, np.zeros((count, 5)))[k] = row
    found = np.array(list(persons.values()))
    for person in found:
        for k in np.flatnonzero(person[:, 2] > 0):
            person[k, :2] = _moved(heatmaps[k], int(person[k, 0]), int(person[k, 1]))
    scores = found[..., 2].mean(axis=1)
    for person in found:
        seen_at = person[person[:, 2] > 0].astype(int)
        here = np.flatnonzero(person[:, 2] > 0)
        mean = tags[here, seen_at[:, 1], seen_at[:, 0]].mean(axis=0)
        for k in range(count):
            apart = ((tags[k] - mean) ** 2).sum(axis=2) ** 0.5
            y, x = np.unravel_index(
                (heatmaps[k] - np.round(apart)).argmax(), apart.shape
            )
            if person[k, 2] == 0 and heatmaps[k, y, x] > 0:
                person[k, :3] = *_moved(heatmaps[k], x, y), heatmaps[k, y, x]
    matrix = look_at((SIDE, SIDE), SIDE).matrix_from((height, width))
    return found[..., :2] @ matrix[:, :2].T + matrix[:, 2], scores


def _at_image_size(seen: Seen, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heatmaps `(keypoints, height, width)` and tags with a last axis more."""
    heatmaps, tags = [], []
    for outputs, back in ((seen.outputs, False), (seen.mirrored, True)):
        planes = {k: v.transpose(2, 0, 1) for k, v in (outputs or {}).items()}
        if back:
            planes = {k: v[mirror][:, :, ::-1] for k, v in planes.items()}
        half = planes["heatmaps"].shape[:0:-1]
        size = (SIDE, SIDE)

        def at(values: np.ndarray, wanted: tuple[int, ...]) -> np.ndarray:
            return np.stack(
                [cv2.resize(np.ascontiguousarray(v), wanted) for v in values]
            )

        both = (at(planes["quarter_heatmaps"], half) + planes["heatmaps"]) / 2
        heatmaps.append(at(both, size))
        tags.append(at(at(planes["tags"], half), size))
    return np.mean(heatmaps, axis=0), np.stack(tags, axis=-1)


def _moved(heatmap: np.ndarray, x: int, y: int) -> tuple[float, float]:
    height, width = heatmap.shape
    right = heatmap[y, min(x + 1, width - 1)] > heatmap[y, max(x - 1, 0)]
    below = heatmap[min(y + 1, height - 1), x] > heatmap[max(y - 1, 0), x]
    return x + (0.75 if right else 0.25), y + (0.75 if below else 0.25)


@contextmanager
def one_core() -> Iterator[None]:
    """All threads that are there, TensorFlow's too, on one core, where that can be."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    threads = [int(name) for name in os.listdir("/proc/self/task")]

    def keep_to(chosen: set[int]) -> None:
        for thread in threads:
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(thread, chosen)

    keep_to({min(cores)})
    try:
        yield
    finally:
        keep_to(cores)


def run() -> list[Result]:
    """Median times of both, which must find the same people."""
    mirror = KeypointSet.read("coco").mirror
    seen, _ = answers_of_a_network(mirror, np.random.default_rng(0))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        ours, theirs = poses(seen, mirror), literal_poses(seen, mirror)
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-3)
        np.testing.assert_allclose(ours[1], theirs[1], atol=1e-5)
        times = median_latency({"merge and group": lambda: poses(seen, mirror)}, ROUNDS)
        peer = {"literal version": lambda: literal_poses(seen, mirror)}
        times |= median_latency(peer, 3)
        alone = Seen(seen.outputs)
        serve = served_poses(alone)
        people, _ = group(merge([alone], mirror, (SIDE, SIDE), 0), Grouping())
        np.testing.assert_allclose(serve()[0], people[..., :3], atol=0.5)
        with one_core():
            served = median_latency({"in a graph": serve}, ROUNDS)
    finally:
        cv2.setNumThreads(threads)
    fast, slow = times.values()
    title = f"{len(ours[0])} people at {SIDE} pixels, one core"
    return [
        Result(f"{title}, time", times, "ms", fast, TARGET, is_ratio=False),
        Result(f"{title}, ratio", times, "ms", slow / fast, RATIO),
        Result(
            f"{title}, served",
            served,
            "ms",
            served["in a graph"],
            SERVED,
            is_ratio=False,
        ),
    ]

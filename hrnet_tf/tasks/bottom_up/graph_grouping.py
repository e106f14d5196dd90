"""Merged maps to people inside a graph: `grouping.group`, step by step."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from hrnet_tf.tasks.bottom_up.graph_assignment import assign
from hrnet_tf.tasks.bottom_up.graph_candidates import GraphCandidates, find_candidates
from hrnet_tf.tasks.bottom_up.graph_maps import GraphMaps
from hrnet_tf.tasks.bottom_up.graph_refine import refine
from hrnet_tf.tasks.bottom_up.grouping import NOBODY, Grouping, order_of


def group(maps: GraphMaps, settings: Grouping) -> tuple[tf.Tensor, tf.Tensor]:
    """Find all people in merged maps; see `grouping.group`.

    Returns:
        People, float32 `(people, keypoints, 3)`: x, y (in places of the grid) and
        value, zeros where a person has no such keypoint; and their scores, `(people,)`.
    """
    people = match_by_tag(find_candidates(maps, settings), settings)
    people = people[..., :3]  # tags are looked up where keypoints are
    if settings.adjust:
        people = _adjust(people, maps)
    scores = tf.reduce_mean(people[..., 2], axis=1)
    if settings.refine:
        people = refine(people, maps)
    return people, scores


class _People(NamedTuple):
    """Who has been found so far; as many rows as there can be people.

    Attributes:
        count: how many are somebody.
        rows: float32 `(keypoints, all, 4)`: x, y, value and tag of each one's.
        sums: float64 `(all,)`, of each one's tags.
        counts: float64 `(all,)`, how many tags these are.
        begun: float64 `(all,)`, the tag that each one began with.
    """

    count: tf.Tensor
    rows: tf.Tensor
    sums: tf.Tensor
    counts: tf.Tensor
    begun: tf.Tensor


def match_by_tag(candidates: GraphCandidates, settings: Grouping) -> tf.Tensor:
    """Put candidates together to people; see `grouping.match_by_tag`.

    Returns:
        float32 `(people, keypoints, 4)`.
    """
    keypoints, most, numbers = candidates.numbers.shape
    order = tf.constant(np.array(order_of(keypoints), np.int32))
    everyone = keypoints * most
    nothing = tf.zeros((everyone,), tf.float64)
    rows = tf.zeros((keypoints, everyone, numbers))
    begun = _People(tf.constant(0), rows, nothing, nothing, nothing)

    def step(place: tf.Tensor, people: _People) -> tuple[tf.Tensor, _People]:
        keypoint = order[place]
        found = candidates.numbers[keypoint, : candidates.counts[keypoint]]
        added = tf.cond(
            tf.size(found) > 0,
            lambda: _add(people, keypoint, found, settings),
            lambda: people,
        )
        return place + 1, added

    _, people = tf.while_loop(
        lambda place, _: place < keypoints, step, (tf.constant(0), begun)
    )
    return tf.transpose(people.rows[:, : people.count], (1, 0, 2))


def _owners(
    people: _People, values: tf.Tensor, tags: tf.Tensor, settings: Grouping
) -> tf.Tensor:
    """Whom each candidate belongs to, int32; -1: to somebody new."""
    count = tf.size(tags)
    known = tf.minimum(people.count, settings.most)
    means = people.sums[:known] / people.counts[:known]
    distances = tf.sqrt(tf.square(tags[:, None] - means))
    cost = tf.round(distances) * 100 - values[:, None]
    nobody = tf.constant(NOBODY, tf.float64)
    more = tf.maximum(count - known, 0)
    cost = tf.pad(cost, [[0, 0], [0, more]], constant_values=nobody)
    column = assign(cost)
    real = tf.minimum(column, known - 1)
    near = tf.gather(distances, real, batch_dims=1) < settings.tag_threshold
    return tf.where((column < known) & near, column, -1)


def _add(
    people: _People, keypoint: tf.Tensor, found: tf.Tensor, settings: Grouping
) -> _People:
    """Give each candidate to its owner, or to whoever began with the same tag."""
    values, tags = (tf.cast(found[:, part], tf.float64) for part in (2, 3))
    numbers = tf.range(tf.size(tags))
    owners = tf.cond(
        people.count > 0,
        lambda: _owners(people, values, tags, settings),
        lambda: tf.fill(tf.shape(tags), -1),
    )
    alone = owners < 0
    everyone = tf.range(tf.size(people.begun))
    began = (tags[:, None] == people.begun) & (everyone < people.count)
    new = alone & ~tf.reduce_any(began, axis=1)
    # Of new ones with the same tag the first one is who they are.
    alike = (tags[:, None] == tags) & new
    first = tf.argmax(alike, axis=1, output_type=tf.int32)
    is_first = new & (first == numbers)
    number = people.count + tf.cumsum(tf.cast(is_first, tf.int32)) - 1
    old = tf.argmax(began, axis=1, output_type=tf.int32)
    owners = tf.where(alone, tf.where(new, tf.gather(number, first), old), owners)

    # Who is begun (again) has the tag of the last such candidate alone, and that of an
    # owned one behind it.
    whose = owners[:, None] == everyone
    restart = _last(whose & alone[:, None], numbers)
    owned = _last(whose & ~alone[:, None], numbers)
    last = tf.maximum(restart, owned)
    restarted, joined = restart >= 0, owned > restart

    def at(rows: tf.Tensor) -> tf.Tensor:
        return tf.gather(tags, tf.maximum(rows, 0))

    zero, one = (tf.constant(x, tf.float64) for x in (0, 1))
    sums = tf.where(restarted, at(restart), people.sums)
    counts = tf.where(restarted, one, people.counts)
    count = people.count + tf.reduce_sum(tf.cast(is_first, tf.int32))
    fresh = (everyone >= people.count) & (everyone < count)
    firsts = at(_last(whose & is_first[:, None], numbers))
    rows = tf.where((last >= 0)[:, None], tf.gather(found, tf.maximum(last, 0)), 0.0)
    return _People(
        count,
        tf.tensor_scatter_nd_update(people.rows, [[keypoint]], rows[None]),
        sums + tf.where(joined, at(owned), zero),
        counts + tf.where(joined, one, zero),
        tf.where(fresh, firsts, people.begun),
    )


def _last(whose: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """The last of the candidates of each person, int32; -1: there is none."""
    return tf.reduce_max(tf.where(whose, numbers[:, None], -1), axis=0)


def _adjust(people: tf.Tensor, maps: GraphMaps) -> tf.Tensor:
    """See `grouping.adjust`."""
    there = tf.where(people[..., 2] > 0)
    places = tf.cast(tf.gather_nd(people, there), tf.int32)
    keypoint = tf.cast(there[:, 1], tf.int32)
    moved = maps.towards_higher(places[:, 0], places[:, 1], keypoint)
    moved = tf.pad(moved, [[0, 0], [0, 1]])
    return tf.tensor_scatter_nd_add(people, there, moved)

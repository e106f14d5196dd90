"""UDP and DARK through the whole chain: crops, targets, mirrors, graphs, files."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf import HeatmapCodec, KeypointAccuracy, KeypointLoss
from hrnet_tf.checkpoints.published import PUBLISHED
from hrnet_tf.common.errors import InputError
from hrnet_tf.export import decoder
from hrnet_tf.export.converted import _manifest as manifest_of_facts
from hrnet_tf.images.preprocess import (
    crop_matrix,
    crop_of_box,
    preprocess_input,
    transform,
    warp,
    warp_upright,
)
from hrnet_tf.tasks import make_experiment, networks
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.keypoints.encodings import ENCODINGS, USUAL
from hrnet_tf.tasks.keypoints.losses import joint_errors
from hrnet_tf.tasks.keypoints.manifest import Decoding
from hrnet_tf.tasks.pose.evaluator import PoseEvaluator
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.tasks.pose.serving import (
    SIGNATURE,
    decode_keypoints,
    encode_keypoints,
    serve_keypoints,
)
from support.served import png
from support.spots import spot_image, spot_manifest

UDP = ("udp", "udp_offsets")
SIZE = (16, 12)
BOXES = np.array([[20, 10, 60, 80], [-20, -15, 150, 160]], np.float64)
POINTS = np.array([[[60.0, 40], [48, 72], [70, 60]], [[20, 30], [90, 70], [60, 100]]])


def manifest_of(encoding, **more):
    usual = {"refinement": USUAL[encoding], "encoding": encoding, "sigma": 1.0}
    return spot_manifest(**usual, **more)


def maps_of(encoding, keypoints):
    """What a perfect network answers to crops around `BOXES`."""
    manifest = manifest_of(encoding)
    given = np.concatenate([keypoints, np.ones((*keypoints.shape[:2], 1))], axis=-1)
    maps, _ = manifest.codec.encode(tf.constant(given, tf.float32), SIZE)
    return maps


def in_crops(manifest, points):
    centers, widths = crop_of_box(BOXES, 48 / 64, 1.25)
    unbiased = manifest.codec.unbiased
    return transform(points, crop_matrix(centers, widths, 0.0, (64, 48), unbiased))


class Perfect:
    """A network that knows where the keypoints are, in mirrored crops too."""

    def __init__(self, encoding):
        self.manifest = manifest_of(encoding)
        points = in_crops(self.manifest, POINTS)
        there = points[:, self.manifest.keypoints.mirror] * [-1, 1] + [47, 0]
        self.maps = [maps_of(encoding, each) for each in (points, there)]

    def __call__(self, images):
        return tf.concat(self.maps, axis=0)[: images.shape[0]]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_keypoints_come_back_to_the_pixels_of_the_image(encoding, flip):
    network = Perfect(encoding)
    shift = encoding not in UDP
    manifest = manifest_of(encoding, flip=flip, shift=shift)
    predictor = PosePredictor.from_network(network, manifest)
    image = np.zeros((120, 140, 3), np.uint8)
    found = predictor.predict(image, BOXES).keypoints
    # A mirror costs a share of a cell where cells are counted from edge to edge; a
    # quarter at most is lost where targets are drawn at the nearest cell.
    cell = 1.25 * np.array([60, 120])[:, None, None] / 12
    limit = {"plain": 0.51, "dark": 0.3 if flip else 0.06}.get(encoding, 0.05)
    assert (np.abs(found - POINTS) / cell).max() < limit


@pytest.mark.parametrize("encoding", UDP)
def test_a_mirror_changes_nothing_where_pixels_are_counted_from_their_middles(encoding):
    network = Perfect(encoding)
    answers = []
    for flip in (False, True):
        manifest = manifest_of(encoding, flip=flip, shift=False)
        predictor = PosePredictor.from_network(network, manifest)
        answers.append(predictor.locate(np.zeros((2, 64, 48, 3), np.uint8)))
    np.testing.assert_allclose(answers[0][0], answers[1][0], atol=2e-3)
    np.testing.assert_allclose(answers[0][1], answers[1][1], atol=1e-4)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_served_keypoints_are_the_predictors(encoding):
    network = Perfect(encoding)
    image = spot_image((120, 140), POINTS[0], radius=6)
    expected = PosePredictor.from_network(network, network.manifest).predict(
        image, BOXES
    )
    serve = serve_keypoints(network, network.manifest, SIGNATURE.limits)
    found = serve(
        tf.constant([png(image)]),
        tf.constant(BOXES[None], tf.float32),
        tf.constant([2]),
    )
    np.testing.assert_allclose(found["keypoints"][0], expected.keypoints, atol=1e-2)
    np.testing.assert_allclose(found["scores"][0], expected.scores, atol=1e-5)


@pytest.mark.parametrize("unbiased", [False, True])
def test_served_crops_are_the_predictors(unbiased, rng):
    image = rng.integers(0, 256, (120, 140, 3), np.uint8)
    centers, widths = crop_of_box(BOXES, 48 / 64, 1.25)
    served = warp_upright(
        tf.constant(image),
        tf.constant(centers, tf.float32),
        tf.constant(widths, tf.float32),
        (64, 48),
        unbiased,
    )
    matrices = crop_matrix(centers, widths, 0.0, (64, 48), unbiased)
    facts = _facts(manifest_of("udp" if unbiased else "plain"))
    for box, crop, matrix in zip(BOXES, served.numpy(), matrices, strict=True):
        right = warp(image, matrix, (64, 48)).astype(int)
        assert np.abs(crop - right).mean() < 1  # OpenCV rounds places to 1/32 pixel
        alone = decoder.crop(image, decoder.crop_matrix(box, facts), facts)
        assert np.abs(alone.astype(int) - crop).max() <= 1


def _facts(manifest):
    return json.loads(json.dumps(asdict(manifest)))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_decoder_beside_exports_answers_as_the_graph(encoding, rng):
    manifest = manifest_of(encoding)
    keypoints = rng.uniform(-9, 60, (4, 3, 2))
    maps = maps_of(encoding, keypoints).numpy()
    maps += rng.normal(0, 0.01, maps.shape)
    maps[0, :, :, : manifest.codec.maps_per_keypoint] = -1  # nobody
    inside = decode_keypoints(tf.constant(maps, tf.float32), manifest)
    beside = decoder.decode(maps.astype(np.float32), _facts(manifest))
    for name in ("keypoints", "scores"):
        np.testing.assert_allclose(beside[name], inside[name], rtol=2e-3, atol=2e-3)
    cells, scores = encode_keypoints(inside, manifest)
    expected = manifest.codec.decode(tf.constant(maps, tf.float32))
    np.testing.assert_allclose(cells, expected[0], atol=1e-4)
    np.testing.assert_array_equal(scores, expected[1])


def test_a_manifest_of_an_earlier_version_is_read_by_the_decoder():
    facts = _facts(spot_manifest())
    del facts["decoding"]["encoding"]
    maps = maps_of("plain", in_crops(spot_manifest(), POINTS)).numpy()
    found = decoder.decode(maps, facts)["keypoints"]
    expected = decoder.decode(maps, _facts(spot_manifest()))["keypoints"]
    np.testing.assert_array_equal(found, expected)
    matrix = decoder.crop_matrix(BOXES[0], facts)
    assert matrix[0, 0] == matrix[1, 1]


# Configurations


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_configuration_needs_to_name_the_encoding_alone(encoding, configured):
    config = configured(f"data.encoding={encoding}")
    tied = make_experiment(config)
    manifest = tied.make_manifest()
    decoding = manifest.decoding
    assert (decoding.encoding, decoding.refinement) == (encoding, USUAL[encoding])
    assert decoding.shift is (encoding not in UDP)
    judged = tied.judged(manifest)
    assert judged.decoding == replace(decoding, flip=True)
    settings = tied.compile_settings(manifest)
    assert settings["loss"].get_config()["encoding"] == encoding


def test_every_map_of_a_network_with_offsets_learns(configured):
    tied = make_experiment(configured("data.encoding=udp_offsets"))
    manifest = tied.make_manifest()
    network = tied.build_network(manifest, None)
    loss = tied.compile_settings(manifest)["loss"]
    images, keypoints = next(iter(tied.training_data(manifest).batches(range(1), 1)))
    with tf.GradientTape() as tape:
        error = loss(keypoints, network(preprocess_input(images)))
    gradient = tape.gradient(error, network.get_layer("final_layer").bias)
    assert gradient.shape == (3 * 17,)
    assert (np.abs(gradient) > 0).all()


def test_training_crops_are_cut_as_the_encoding_says(configured):
    drawn = {}
    for encoding in ("plain", "udp"):
        tied = make_experiment(configured(f"data.encoding={encoding}"))
        training = tied.training_data(tied.make_manifest())
        drawn[encoding] = next(iter(training.batches(range(1), 1)))[1].numpy()
    seen = drawn["plain"][..., 2] > 0
    middle = np.array([16.0, 32.0])  # of a crop, from edge to edge
    inner = (drawn["plain"][..., :2] - middle) * [31 / 32, 63 / 64] + [15.5, 31.5]
    np.testing.assert_allclose(drawn["udp"][seen][:, :2], inner[seen], atol=1e-3)


def test_explicit_settings_win(configured):
    config = configured(
        "data.encoding=udp", "evaluate.refinement=dark", "evaluate.shift=true"
    )
    decoding = make_experiment(config).make_manifest().decoding
    assert (decoding.refinement, decoding.shift) == ("dark", True)


def test_what_does_not_fit_together_is_refused(configured, tiny_manifest):
    with pytest.raises(InputError, match="the refinement must be none, got dark"):
        configured("data.encoding=udp_offsets", "evaluate.refinement=dark")
    with pytest.raises(ValueError, match="the refinement must be none, got udp"):
        HeatmapCodec(encoding="udp_offsets", refinement="udp")
    with pytest.raises(ValueError, match="`encoding` must be one of"):
        HeatmapCodec(encoding="half")
    config = configured("data.encoding=udp_offsets")
    with pytest.raises(InputError, match="answers with maps of the encoding plain"):
        PoseEvaluator(config.data, config.evaluate, tiny_manifest)


# Losses and metrics


def test_errors_of_offsets_count_inside_of_discs_only(rng):
    codec = HeatmapCodec(4, 2.0, "none", "udp_offsets")
    keypoints = np.array([[[20.0, 30, 1], [40, 9, 0]]], np.float32)
    target, _ = codec.encode(tf.constant(keypoints), SIZE)
    loss = KeypointLoss(encoding="udp_offsets")
    assert float(loss(keypoints, target)) == 0
    inside = np.broadcast_to(target[..., :1] > 0, target.shape)
    beyond = target + np.where(inside, 0, [0, 1, 1] * 2)
    assert float(loss(keypoints, tf.cast(beyond, tf.float32))) == 0
    predicted = tf.constant(rng.normal(0, 1, target.shape), tf.float32)
    disc = target.numpy()[..., :1]
    expected = sum(
        joint_errors(x, y, keypoints[..., :1, 2]).numpy()
        for x, y in (
            (disc, predicted[..., :1]),
            *(
                (disc * target[..., i : i + 1], disc * predicted[..., i : i + 1])
                for i in (1, 2)
            ),
        )
    )
    np.testing.assert_allclose(
        loss(keypoints, predicted), expected.sum() / 2, rtol=1e-5
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_share_of_found_keypoints_is_one_for_perfect_maps(encoding):
    points = np.ones((1, 4, 3), np.float32)
    points[0, :, :2] = [[1, 1], [30, 50], [46, 62], [46, 2]]
    codec = HeatmapCodec(refinement=USUAL[encoding], encoding=encoding)
    maps, _ = codec.encode(tf.constant(points), SIZE)
    metric = KeypointAccuracy(encoding=encoding, threshold=0.6)
    metric.update_state(points, maps)
    assert float(metric.result()) == 1
    again = KeypointAccuracy.from_config(metric.get_config())
    assert again.encoding == encoding
    earlier = {k: v for k, v in metric.get_config().items() if k != "encoding"}
    assert KeypointAccuracy.from_config(earlier).encoding == "plain"


# Converted checkpoints


def converted(encoding, size=(256, 192), keypoints=17):
    kind = networks()["HRNetV1"]
    given, arguments = ImageInput(*size), {"keypoints": keypoints}
    return kind.manifest("x", given, arguments, None, Path("x"), encoding=encoding)


def test_a_converted_network_is_read_as_what_it_has_learnt():
    assert converted("plain").decoding == Decoding()
    udp = converted("udp", (384, 288)).decoding
    assert (udp.refinement, udp.sigma, udp.shift) == ("udp", 3.0, False)
    offsets = converted("udp_offsets", keypoints=51)
    assert len(offsets.keypoints) == 17
    with pytest.raises(InputError, match="finds 51 keypoints, the set coco has 17"):
        converted("plain", keypoints=51)


def test_published_weights_say_what_they_have_learnt():
    rows = {row.name: row for row in PUBLISHED if row.encoding}
    assert {row.encoding for row in rows.values()} == {"dark", "udp", "udp_offsets"}
    for name, row in rows.items():
        assert name.endswith(row.encoding)
        each = HeatmapCodec(refinement="none", encoding=row.encoding).maps_per_keypoint
        assert row.arguments["keypoints"] // each in (16, 17)


def test_an_encoding_that_is_none_is_refused():
    facts = {
        "model": "HRNetV1",
        "arguments": {"keypoints": 17, "width": 32},
        "input": {"height": 256, "width": 192},
    }
    made = manifest_of_facts(facts, None, Path("x.keras"), None)
    assert made.decoding.encoding == "plain"
    known = manifest_of_facts(facts | {"encoding": "dark"}, None, Path("x"), None)
    assert known.decoding.encoding == "dark"
    with pytest.raises(InputError, match=r"are of no encoding half \(plain, dark, udp"):
        manifest_of_facts(facts, None, Path("x.keras"), "half")

"""Numbers of pixels of one image: several views, results and pictures of them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.export.signatures import serving_function
from hrnet_tf.images.lettering import PAPER, letter_size
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.preprocess import MEAN, STD
from hrnet_tf.images.sheets import GAP
from hrnet_tf.tasks import read_manifest
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.dense.manifest import Views
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.regression.drawing import as_text, draw_map, draw_values
from hrnet_tf.tasks.regression.manifest import MapOutput, RegressionManifest
from hrnet_tf.tasks.regression.predictor import RegressionPredictor
from hrnet_tf.tasks.regression.result import DenseMap
from hrnet_tf.tasks.regression.viewer import MapViewer
from hrnet_tf.training.media import predict_files

# One image in several views, with a network whose answer is known

FLOW = ChannelSet(("x", "y", "depth"), ("x",), ("x", "y"), ("depth",))


def reds(images):
    """The red channel, 0 to 1, once for each channel, at a quarter of the size."""
    red = (images[..., :1] * STD[0] + MEAN[0]) / 255
    return tf.repeat(tf.nn.avg_pool2d(red, 4, 4, "SAME"), 3, axis=-1)


def predictor_of(views, any_size=True):
    given = ImageInput(32, 32, any_size=any_size)
    manifest = RegressionManifest("reds", given, MapOutput(), FLOW, views)
    return RegressionPredictor.from_network(reds, manifest)


@pytest.fixture
def photo(rng):
    return cv2.resize(rng.integers(0, 256, (9, 11, 3), np.uint8), (88, 72))


def test_a_prediction_is_the_networks_map_at_the_size_of_the_image(photo):
    answer = predictor_of(Views()).predict(photo)
    cells = photo[..., 0].reshape(18, 4, 22, 4).mean(axis=(1, 3)) / 255
    expected = tf.image.resize(cells[..., None], (72, 88))
    np.testing.assert_allclose(answer.values, np.repeat(expected, 3, -1), atol=1e-5)
    assert answer.values.dtype == np.float32


def test_the_mirrored_image_is_averaged_with_signs_exchanged(photo):
    straight = predictor_of(Views()).predict(photo).values
    mirrored = predictor_of(Views()).predict(np.ascontiguousarray(photo[:, ::-1]))
    expected = (straight + mirrored.values[:, ::-1] * [-1, 1, 1]) / 2
    found = predictor_of(Views(flip=True)).predict(photo).values
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("views", "factors"),
    [
        (Views(scales=(2.0,)), (2.0,)),
        (Views(short_side=36), (0.5,)),
        (Views(short_side=36, scales=(2.0, 4.0)), (1.0, 2.0)),
    ],
)
def test_numbers_that_follow_the_size_are_brought_back(views, factors, photo):
    """Of an image of one colour the network says the same at any size."""
    plain = np.full_like(photo, 102)
    found = predictor_of(views).predict(plain).values
    pixels = np.mean([0.4 / factor for factor in factors])
    depth = np.mean([0.4 * factor for factor in factors])
    expected = np.broadcast_to([pixels, pixels, depth], found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_window_sees_what_the_whole_image_shows(photo):
    whole = predictor_of(Views()).predict(photo).values
    slid = predictor_of(Views(window=True, stride_share=0.5)).predict(photo).values
    assert slid.shape == whole.shape
    inside = np.s_[4:-4, 4:-4]
    assert np.abs(slid - whole)[inside].mean() < 0.01


@pytest.mark.parametrize(
    ("views", "tolerance"),
    [
        (Views(), 1e-6),
        (Views(flip=True), 1e-6),
        # OpenCV rounds to other sides: one of 255 levels, twice or half as much.
        (Views(short_side=36), 2 / 255),
        (Views(short_side=101), 2 / 255),
        (Views(stretch=True), 3 / 255),
    ],
)
def test_the_served_graph_says_what_the_predictor_says(views, tolerance, photo):
    predictor = predictor_of(views)
    encoded = cv2.imencode(".png", photo[..., ::-1])[1].tobytes()
    serve = serving_function(reds, predictor.manifest)
    (found,) = serve(tf.constant([encoded]))["values"]
    np.testing.assert_allclose(found, predictor.predict(photo).values, atol=tolerance)


def test_an_image_of_another_type_is_refused():
    with pytest.raises(hrnet_tf.InputError, match="must be uint8 RGB"):
        predictor_of(Views()).predict(np.zeros((4, 5, 3)))


# Results and pictures


def test_a_map_knows_its_channels_and_their_range():
    values = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    answer = DenseMap(values, ("x", "y"))
    np.testing.assert_array_equal(answer.of("y"), values[..., 1])
    assert answer.statistics()["x"] == {"min": 0, "mean": 5, "max": 10}
    with pytest.raises(ValueError, match=r"must be \(height, width, 1\)"):
        DenseMap(values, ("x",))


def test_colours_rise_with_the_numbers_and_unknown_is_grey():
    values = np.array([[1.0, 2.0, 3.0, 9.0, np.nan]])
    colors = draw_values(values, (1.0, 3.0)).astype(int)
    light = colors.sum(axis=-1)[0]
    assert light[0] < light[1] < light[2] == light[3]
    assert np.ptp(colors[0, 4]) == 0
    assert 60 < colors[0, 4, 0] < 200
    assert colors[0, 0, 2] > colors[0, 0, 1]  # RGB: low is blue
    assert colors[0, 2, 0] > 200 > 60 > colors[0, 2, 2]  # high is yellow
    same = draw_values(np.full((2, 2), 5.0), (5.0, 5.0))
    assert (same == same[0, 0]).all()


@pytest.mark.parametrize("size", [(8, 8), (30, 20), (30, 400), (2000, 3000)])
@pytest.mark.parametrize("spans", [None, [(0.0, 7.0)]])
def test_a_map_is_drawn_with_the_numbers_of_its_colours(size, spans):
    image = np.full((*size, 3), 100, np.uint8)
    values = np.linspace(0, 7, size[0] * size[1], dtype=np.float32).reshape(*size, 1)
    drawn = draw_map(image, DenseMap(values, ("depth",)), spans, ["depth (m)"])
    factor = 1600 / 3000 if size[0] == 2000 else max(1, -(-320 // max(size)))
    high, wide = round(size[0] * factor), round(size[1] * factor)
    assert max(high, wide) <= 1600
    assert (drawn[:high, :wide] == 100).all()
    panel = drawn[:high, wide + GAP : 2 * wide + GAP]
    if factor >= 1:
        expected = draw_values(values[..., 0], (0, 7))
        np.testing.assert_array_equal(panel[:: int(factor), :: int(factor)], expected)
    bar = drawn[high + 1 : high + 8, wide + GAP + 1 :]
    ends = draw_values(np.array([[0.0, 1.0]]), (0, 1))[0].astype(int)
    assert np.abs(bar[2, 0] - ends[0]).max() < 9
    assert np.abs(bar[2, -3] - ends[1]).max() < 9
    below = drawn[high + letter_size(max(320, wide)) :, wide + GAP :]
    assert (below.astype(int).sum(axis=-1) < 200).any()  # numbers
    assert (below[:, -1] == PAPER).all()  # that end inside
    other = DenseMap(values * -1e-6 - 1e-5, ("depth",))
    assert draw_map(image, other, spans).shape == drawn.shape  # as frames of a video


def test_the_same_number_has_one_colour_in_a_whole_run(photo, tmp_path):
    """By the span of the manifest, or by a look at the images before the first."""
    darker = (photo // 3).astype(np.uint8)
    for number, image in enumerate((photo, darker)):
        write_image(tmp_path / "in" / f"{number}.png", image)
    known = predictor_of(Views())
    spans = tuple((-1.0, 2.0) for _ in known.manifest.channels.names)
    known.manifest = replace(known.manifest, spans=spans)
    for predictor, source in ((known, "training"), (predictor_of(Views()), "look at")):
        viewer = MapViewer(predictor)
        out = tmp_path / source
        predict_files(viewer, tmp_path / "in", out)
        assert source in viewer.count()
        kept = viewer.spans
        assert kept == (spans if predictor is known else kept)
        maps = [np.load(out / "values" / f"{number}.npy") for number in range(2)]
        low, high = kept[0]
        if predictor is not known:
            inside = np.mean([((m[..., 0] >= low) & (m[..., 0] <= high)) for m in maps])
            assert inside > 0.95  # all but a few of the numbers of both images
        legends = [
            draw_map(photo, DenseMap(m, viewer.predictor.manifest.channels.names), kept)
            for m in maps
        ]
        strips = [legend[-40:] for legend in legends]
        np.testing.assert_array_equal(*strips)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (0.00123, "0.00123"),
        (2.7182, "2.72"),
        (-31.41, "-31.4"),
        (3670.4, "3670"),
        (123456.7, "123457"),
        (1.5e7, "1.50e+07"),
        (-2e-5, "-2.00e-05"),
    ],
)
def test_numbers_of_a_bar_are_short(number, text):
    assert as_text(number) == text


def test_units_are_written_and_change_nothing_else():
    plain, metres = ChannelSet(("depth",)), ChannelSet(("depth",), units=("m",))
    assert plain == metres  # older runs are judged on data that name units
    assert (plain.titles, metres.titles) == (("depth",), ("depth (m)",))
    with pytest.raises(hrnet_tf.InputError, match="one unit for each of 1 channels"):
        ChannelSet(("depth",), units=("m", "m"))


def test_a_viewer_names_every_channel(photo, tmp_path):
    viewer = MapViewer(predictor_of(Views()))
    write_image(tmp_path / "in" / "000007.png", photo)
    predict_files(viewer, tmp_path / "in" / "000007.png", tmp_path / "out")
    assert viewer.entries[0]["image_id"] == 7
    assert viewer.count().startswith("x from ")
    assert "depth from " in viewer.count()


def test_the_manifest_survives_a_file(tmp_path):
    manifest = replace(predictor_of(Views(scales=(0.5, 1.0))).manifest, versions={})
    spans = tuple((0.0, float(n)) for n in range(len(manifest.channels)))
    manifest = replace(manifest, spans=spans)
    manifest.write(tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == manifest

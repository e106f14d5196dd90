"""Dense regression from a folder of images and maps to served numbers, tiny network."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf import cli
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.names import DEFAULTS
from hrnet_tf.export.processes.runtimes import call_signature
from hrnet_tf.export.signatures import serving_function
from hrnet_tf.images.lettering import PAPER, letter_size
from hrnet_tf.images.pictures import write_image
from hrnet_tf.images.preprocess import MEAN, STD
from hrnet_tf.images.sheets import GAP
from hrnet_tf.tasks import make_experiment, read_manifest
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.dense.manifest import Views
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.regression.drawing import as_text, draw_map, draw_values
from hrnet_tf.tasks.regression.manifest import MapOutput, RegressionManifest
from hrnet_tf.tasks.regression.predictor import RegressionPredictor
from hrnet_tf.tasks.regression.result import DenseMap
from hrnet_tf.tasks.regression.viewer import MapViewer
from hrnet_tf.training.media import predict_files
from support.networks import shallow_networks

GROUND, SQUARE = 3.0, 1.0  # metres


@pytest.fixture(scope="module", autouse=True)
def without_blocks():
    with shallow_networks():
        yield


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Images of a bright square on dark ground, which is farther away."""
    root = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("val", 4)):
        for number in range(count):
            image = rng.integers(0, 60, (64, 72, 3), np.uint8)
            depth = np.full((64, 72), 1000 * GROUND, np.uint16)
            top, left = rng.integers(0, 24), rng.integers(0, 32)
            square = np.s_[top : top + 36, left : left + 36]
            image[square] += 150
            depth[square] = 1000 * SQUARE
            depth[:2] = 0  # not known
            write_image(root / "images" / part / f"{number}.png", image)
            write_image(root / "depth" / part / f"{number}.png", depth)
    return root


def settings_of(root, output, *more):
    path = output.parent / "shapes.yaml"
    path.write_text(
        f"""
task: regression
output: {output}
model: {{width: 4, size: [32, 32], modules: [1, 1, 1], blocks: 1, bn_momentum: 0.5}}
data:
  root: {root}
  targets: depth
  unit_size: 0.001
  missing: 0
  augmentation: {{scale: [1, 1]}}
train: {{epochs: 1, batch_size: 8, steps_per_epoch: 120, learning_rate: 0.01}}
"""
    )
    return hrnet_tf.read_config(path, more)


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "shapes"
    return hrnet_tf.train(settings_of(shapes, output))


@pytest.fixture(scope="module")
def predictor(run):
    return hrnet_tf.load(run.folder)


@pytest.fixture(scope="module")
def exported(run):
    names = (*DEFAULTS, "tflite_int8", "tflite_decoded")
    return export_run(run.folder, names)


def first_image(shapes):
    return hrnet_tf.read_image(shapes / "images" / "val" / "0.png")


def test_training_leaves_a_run_that_has_learnt(run):
    with open(run.history, newline="") as file:
        rows = list(csv.DictReader(file))
    (score,) = (float(row["val_r2"]) for row in rows)
    assert score > 0.6
    assert read_manifest(run.manifest).channels == ChannelSet(("depth",))
    for name in ("curves.png", "overlays/epoch_0001.jpg", "checkpoints/best.keras"):
        assert (run.folder / name).is_file()


def test_evaluation_writes_scores_channels_and_the_worst(run):
    evaluation, path = hrnet_tf.evaluate_run(run.folder, progress=False)
    facts = json.loads(path.read_text())
    assert set(facts["statistics"]) == {"r2", "mae", "rmse", "relative_error", "delta1"}
    assert facts["statistics"]["r2"] > 0.6
    assert facts["channels"]["depth"]["pixels"] == 4 * 62 * 72  # what is known
    assert (facts["images"], facts["skipped"]) == (4, 0)
    with open(path.with_name(f"{path.stem}_channels.csv"), newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["channel"] == "depth"
    assert float(row["R2"]) == evaluation.statistics["r2"]
    assert hrnet_tf.read_image(path.with_name(f"{path.stem}_worst.jpg")).std() > 0
    assert "depth" in evaluation.table()
    assert "4 images, 0 skipped" in path.with_suffix(".txt").read_text()


def test_scores_are_those_of_the_predictions(run, predictor, shapes):
    evaluation, _ = hrnet_tf.evaluate_run(run.folder, progress=False)
    errors = []
    for number in range(4):
        image = hrnet_tf.read_image(shapes / f"images/val/{number}.png")
        path = str(shapes / f"depth/val/{number}.png")
        depth = cv2.imread(path, cv2.IMREAD_UNCHANGED) / 1000
        found = predictor.predict(image).of("depth")
        errors.append(np.abs(found - depth)[depth > 0])
    assert evaluation.statistics["mae"] == pytest.approx(np.mean(errors), rel=1e-5)


def test_several_views_are_evaluated_under_another_name(run):
    views = ("evaluate.scales=[0.75,1.25]", "evaluate.flip=true")
    evaluation, path = hrnet_tf.evaluate_run(run.folder, views, progress=False)
    assert path.stem.endswith("scale_0.75_1.25_flip")
    assert evaluation.statistics["r2"] > 0.5


@pytest.mark.parametrize("name", ["savedmodel", "onnx", "tflite", "tflite_decoded"])
def test_artefacts_say_what_the_model_says(name, predictor, exported, shapes):
    image = first_image(shapes)[:32, :32] if "tflite" in name else first_image(shapes)
    expected = predictor.predict(image)
    found = hrnet_tf.load(exported[name]).predict(image)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-3)
    assert found.channels == ("depth",)


def test_integers_say_nearly_what_the_model_says(predictor, exported, shapes):
    image = first_image(shapes)[:32, :32]
    expected = predictor.predict(image).values
    found = hrnet_tf.load(exported["tflite_int8"]).predict(image).values
    assert np.abs(found - expected).mean() < 0.05 * np.ptp(expected)


def test_a_savedmodel_takes_encoded_images_of_several_sizes(
    predictor, exported, shapes
):
    sizes = [(61, 47), (33, 58)]
    images = [np.ascontiguousarray(first_image(shapes)[:h, :w]) for h, w in sizes]
    encoded = [cv2.imencode(".png", x[..., ::-1])[1].tobytes() for x in images]
    given = {"image_bytes": np.array(encoded, object)}
    answer = call_signature(str(exported["savedmodel"]), "regress", given)
    assert answer["values"].dtype == np.float32
    assert answer["values"].shape == (2, 61, 58, 1)
    np.testing.assert_array_equal(answer["size"], sizes)
    for number, image in enumerate(images):
        expected, (height, width) = predictor.predict(image), sizes[number]
        values = answer["values"][number]
        np.testing.assert_allclose(values[:height, :width], expected.values, atol=1e-3)
        assert not values[height:].any()
        assert not values[:, width:].any()


def test_predict_writes_pictures_and_numbers(run, predictor, shapes, tmp_path, capsys):
    out, source = tmp_path / "out", shapes / "images" / "val"
    command = ["predict", str(source), "--model", str(run.folder), "--out", str(out)]
    cli.main(command)
    expected = predictor.predict(first_image(shapes))
    found = np.load(out / "values" / "0.npy")
    np.testing.assert_allclose(found, expected.values, rtol=1e-5)
    (entry, *others) = json.loads((out / "values.json").read_text())
    assert entry["values"]["depth"] == pytest.approx(expected.statistics()["depth"])
    assert len(others) == 3
    drawn = hrnet_tf.read_image(out / "0.jpg")
    assert drawn.shape[0] > 64
    assert drawn.shape[1] >= 2 * 72
    assert "depth from " in capsys.readouterr().out


def test_data_are_looked_at_before_training(shapes, tmp_path):
    settings_of(shapes, tmp_path / "run")
    out = tmp_path / "survey"
    config = str(tmp_path / "shapes.yaml")
    cli.main(["data", "check", config, "--out", str(out)])
    facts = json.loads((out / "survey.json").read_text())
    assert facts["train"]["counts"] == {"depth": 12 * 62 * 72}
    assert facts["validation"]["notes"] == ["depth: 1 to 3"]
    assert hrnet_tf.read_image(out / "samples.jpg").std() > 0


@pytest.mark.parametrize(
    "more",
    [
        ["train.loss_kind=berhu", "model.upsampling=bilinear_align_corners"],
        [
            "train.loss.class_path=hrnet_tf.losses.DenseRegression",
            "model.aspp=true",
        ],
    ],
)
def test_other_losses_and_heads_train(more, shapes, tmp_path, eagerly):
    more = [*more, "train.steps_per_epoch=1"]
    run = hrnet_tf.train(settings_of(shapes, tmp_path / "run", *more))
    manifest = read_manifest(run.manifest)
    assert manifest.output.align_corners == ("berhu" in more[0])
    assert run.best.is_file()


def test_several_channels_train_and_are_drawn(shapes, tmp_path, eagerly):
    for part in ("train", "val"):
        for image in (shapes / "images" / part).iterdir():
            write_image(
                tmp_path / "images" / part / image.name, hrnet_tf.read_image(image)
            )
            (tmp_path / "flow" / part).mkdir(parents=True, exist_ok=True)
            flow = np.ones((64, 72, 2), np.float32) * [1, -2]
            np.save(tmp_path / "flow" / part / f"{image.stem}.npy", flow)
    flow = "channels: [x, y], mirrored: [x], per_pixel: [x, y], missing: null"
    more = [f"data={{{flow}, targets: flow, unit_size: 1}}"]
    more += ["train.steps_per_epoch=1"]
    run = hrnet_tf.train(settings_of(tmp_path, tmp_path / "run", *more))
    answer = hrnet_tf.load(run.folder).predict(first_image(shapes))
    assert (answer.values.shape, answer.channels) == ((64, 72, 2), ("x", "y"))
    evaluation, _ = hrnet_tf.evaluate_run(run.folder, progress=False)
    assert [row[0] for row in evaluation.scores.rows()] == ["x", "y"]
    assert "delta1" not in evaluation.statistics
    # An image, and two for each channel; bars of colours below.
    assert evaluation.worst.shape[1] == 5 * 256 + 6 * GAP
    assert evaluation.worst.shape[0] > 4 * 228


def test_a_run_is_looked_at_in_the_size_that_it_has_learnt(shapes, tmp_path):
    settings = settings_of(shapes, tmp_path / "run", "data.short_side=32")
    manifest = make_experiment(settings).make_manifest()
    assert manifest.views == Views(short_side=32)


def test_maps_of_other_channels_are_refused(run):
    with pytest.raises(hrnet_tf.InputError, match="names height, the model has depth"):
        hrnet_tf.evaluate_run(run.folder, ("data.channels=[height]",))


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


def test_a_manifest_knows_from_where_to_where_the_data_go(run):
    ((low, high),) = read_manifest(run.manifest).spans
    assert low == pytest.approx(SQUARE)
    assert high == pytest.approx(GROUND)


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


def test_a_network_may_start_from_a_body(shapes, tmp_path):
    sizes = {"modules": (1, 1, 1), "blocks": 1, "input_shape": (64, 32, 3)}
    other = hrnet_tf.HRNetV2(4, 3, **sizes)
    other.save(tmp_path / "labels.keras")
    more = f"model.body={tmp_path / 'labels.keras'}"
    experiment = make_experiment(settings_of(shapes, tmp_path / "run", more))
    network = experiment.build_network(experiment.make_manifest(), None)
    for name in ("conv1", "transition3.3.0.0"):
        (found,) = network.get_layer(name).get_weights()
        np.testing.assert_array_equal(found, other.get_layer(name).get_weights()[0])
    assert network.output_shape == (None, None, None, 1)

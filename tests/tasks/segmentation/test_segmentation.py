"""Segmentation from a folder of images and masks to served labels, tiny network."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import hrnet_tf
from hrnet_tf.common.opencv import cv2
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.names import DEFAULTS
from hrnet_tf.export.processes.runtimes import call_signature
from hrnet_tf.export.signatures import serving_function
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks import make_experiment, read_manifest
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.dense import predictor as dense
from hrnet_tf.tasks.dense.manifest import Views
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.tasks.segmentation.drawing import draw_labels, write_labels
from hrnet_tf.tasks.segmentation.manifest import LogitMapOutput, SegmentationManifest
from hrnet_tf.tasks.segmentation.masks import read_mask
from hrnet_tf.tasks.segmentation.predictor import SegmentationPredictor
from hrnet_tf.tasks.segmentation.result import LabelMap
from hrnet_tf.tasks.segmentation.viewer import SegmentViewer
from hrnet_tf.training.configs import read_run_config
from hrnet_tf.training.media import predict_files
from support.networks import shallow_networks

NAMES = ("ground", "left", "right")
CLASSES = ClassSet("sides", NAMES, flip_pairs=(("left", "right"),))


@pytest.fixture(scope="module", autouse=True)
def without_blocks():
    with shallow_networks():
        yield


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Images of a bright square on dark ground; a number tells it from the masks."""
    root = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    (root / "classes.txt").write_text("ground\nsquare\n")
    for part, count in (("train", 12), ("val", 4)):
        for number in range(count):
            image = rng.integers(0, 60, (64, 72, 3), np.uint8)
            labels = np.zeros((64, 72), np.uint8)
            top, left = rng.integers(0, 24), rng.integers(0, 32)
            square = np.s_[top : top + 36, left : left + 36]
            image[square] += 150
            labels[square] = 1
            labels[:2] = 255
            write_image(root / "images" / part / f"{number}.png", image)
            write_image(root / "masks" / part / f"{number}.png", labels)
    return root


def settings_of(root, output, *more):
    path = output.parent / "shapes.yaml"
    path.write_text(
        f"""
task: segmentation
output: {output}
model: {{width: 4, size: [32, 32], modules: [1, 1, 1], blocks: 1, bn_momentum: 0.5}}
data: {{root: {root}}}
train:
  epochs: 1
  batch_size: 8
  steps_per_epoch: 60
  learning_rate: 0.01
  optimizer: {{class_path: keras.optimizers.Adam}}
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
    (score,) = (float(row["val_mean_iou"]) for row in rows)
    assert score > 0.8
    assert read_manifest(run.manifest).classes.names == ("ground", "square")
    for name in ("curves.png", "overlays/epoch_0001.jpg", "checkpoints/best.keras"):
        assert (run.folder / name).is_file()


def test_evaluation_writes_scores_classes_and_the_worst(run):
    evaluation, path = hrnet_tf.evaluate_run(run.folder, progress=False)
    facts = json.loads(path.read_text())
    assert facts["statistics"]["mean_iou"] > 0.8
    assert (facts["images"], facts["skipped"]) == (4, 0)
    assert evaluation.scores.confusion_matrix.sum() == 4 * 62 * 72  # 255 is left out
    with open(path.with_name(f"{path.stem}_classes.csv"), newline="") as file:
        assert [row["class"] for row in csv.DictReader(file)] == ["ground", "square"]
    for name in ("confusion_matrix.png", "worst.jpg"):
        assert hrnet_tf.read_image(path.with_name(f"{path.stem}_{name}")).std() > 0
    assert "square" in evaluation.table()


def test_several_views_are_evaluated_under_another_name(run):
    views = ("evaluate.scales=[0.75,1.25]", "evaluate.flip=true")
    evaluation, path = hrnet_tf.evaluate_run(run.folder, views, progress=False)
    assert path.stem.endswith("scale_0.75_1.25_flip")
    assert evaluation.statistics["mean_iou"] > 0.7


def test_prediction_takes_the_views_of_an_evaluation(run, shapes):
    settings = ("evaluate.scales=[0.5,1.0]", "evaluate.flip=true")
    config = read_run_config(run.folder, settings)
    evaluator = make_experiment(config).evaluator(read_manifest(run.manifest))
    predictor = hrnet_tf.load(run.folder, overrides=settings)
    assert predictor.manifest == evaluator.manifest
    assert predictor.manifest.views.scales == (0.5, 1.0)


@pytest.mark.parametrize("name", ["savedmodel", "onnx", "tflite", "tflite_decoded"])
def test_artefacts_say_what_the_model_says(name, predictor, exported, shapes):
    image = first_image(shapes)[:32, :32] if "tflite" in name else first_image(shapes)
    expected = predictor.predict(image)
    found = hrnet_tf.load(exported[name]).predict(image)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)
    assert (found.labels == expected.labels).mean() > 0.999


def test_integers_say_nearly_what_the_model_says(predictor, exported, shapes):
    image = first_image(shapes)[:32, :32]
    expected = predictor.predict(image)
    found = hrnet_tf.load(exported["tflite_int8"]).predict(image)
    assert (found.labels == expected.labels).mean() > 0.98


def test_a_savedmodel_labels_encoded_images_of_several_sizes(
    predictor, exported, shapes
):
    sizes = [(61, 47), (33, 58)]
    images = [np.ascontiguousarray(first_image(shapes)[:h, :w]) for h, w in sizes]
    encoded = [cv2.imencode(".png", x[..., ::-1])[1].tobytes() for x in images]
    given = {"image_bytes": np.array(encoded, object)}
    answer = call_signature(str(exported["savedmodel"]), "segment", given)
    assert answer["labels"].dtype == np.uint8
    assert answer["labels"].shape == answer["confidence"].shape == (2, 61, 58)
    np.testing.assert_array_equal(answer["size"], sizes)
    for number, image in enumerate(images):
        expected, (height, width) = predictor.predict(image), sizes[number]
        labels, confidence = answer["labels"][number], answer["confidence"][number]
        inside = np.s_[:height, :width]
        np.testing.assert_allclose(confidence[inside], expected.confidence, atol=1e-4)
        assert (labels[inside] == expected.labels).mean() > 0.999
        assert (labels == 255).sum() == 61 * 58 - height * width
        assert confidence[height:].sum() == confidence[:, width:].sum() == 0


def test_predict_writes_overlays_and_masks(predictor, shapes, tmp_path):
    viewer = SegmentViewer(predictor)
    summary = predict_files(viewer, shapes / "images" / "val", tmp_path / "out")
    assert (summary.images, summary.found) == (4, 4)
    expected = predictor.predict(first_image(shapes))
    mask = read_mask(tmp_path / "out" / "masks" / "0.png")
    np.testing.assert_array_equal(mask, expected.labels)
    (entry, *_) = json.loads((tmp_path / "out" / "shares.json").read_text())
    assert entry["shares"] == pytest.approx(expected.shares())
    assert viewer.count() == "2 classes"


def test_every_frame_of_a_video_is_labelled(predictor, shapes, tmp_path):
    image = first_image(shapes)
    code = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter(str(tmp_path / "walk.avi"), code, 10.0, image.shape[1::-1])
    for frame in (image, np.zeros_like(image), image):  # one class, two classes
        video.write(frame[..., ::-1])
    video.release()
    viewer = SegmentViewer(predictor)
    predict_files(viewer, tmp_path / "walk.avi", tmp_path / "out")
    capture = cv2.VideoCapture(str(tmp_path / "out" / "walk.mp4"))
    assert sum(capture.read()[0] for _ in range(5)) == 3


def test_ocr_learns_and_answers_with_its_last_logits(shapes, tmp_path, eagerly):
    more = ["model.ocr=true", "train.steps_per_epoch=1"]
    run = hrnet_tf.train(settings_of(shapes, tmp_path / "ocr", *more))
    assert run.model().output_shape == (None, None, None, 2)
    answer = hrnet_tf.load(run.folder).predict(first_image(shapes))
    assert answer.labels.shape == (64, 72)


def test_hard_pixels_lovasz_and_dice_train(shapes, tmp_path, eagerly):
    more = ["train.hardest_pixels=100", "train.lovasz=0.5", "train.dice=0.5"]
    more += ["model.aspp=true", "model.features=8"]
    more += ["train.steps_per_epoch=1"]
    run = hrnet_tf.train(settings_of(shapes, tmp_path / "hard", *more))
    assert run.best.is_file()


def test_class_weights_that_are_not_there_are_asked_for(shapes, tmp_path):
    config = settings_of(shapes, tmp_path / "run", "train.class_weights=true")
    with pytest.raises(hrnet_tf.InputError, match="class set classes has no `weights`"):
        hrnet_tf.train(config)


def test_masks_of_other_classes_are_refused(run, tmp_path, shapes):
    (tmp_path / "three.txt").write_text("ground\nsquare\ncircle\n")
    with pytest.raises(hrnet_tf.InputError, match=r"classes of three \(3\)"):
        hrnet_tf.evaluate_run(run.folder, (f"data.classes={tmp_path / 'three.txt'}",))


# The network


SMALL = {"modules": (1, 1, 1), "blocks": 1, "input_shape": (None, None, 3)}


@pytest.mark.parametrize("head", [{}, {"aspp": True}, {"ocr": True}])
def test_logits_come_at_the_size_of_the_image_on_request(head, rng):
    images = rng.standard_normal((1, 45, 70, 3)).astype(np.float32)
    model = hrnet_tf.HRNetV2(4, 3, full_size=True, **head, **SMALL)
    plain = hrnet_tf.HRNetV2(4, 3, **head, **SMALL)
    plain.set_weights(model.get_weights())
    found, expected = model(images), plain(images)
    if head == {"ocr": True}:
        assert found["auxiliary"].shape == (1, 45, 70, 3)
        found, expected = found["logits"], expected["logits"]
    assert found.shape == (1, 45, 70, 3)
    resized = tf.image.resize(expected, (45, 70))
    np.testing.assert_allclose(found, resized, atol=1e-5)


def test_a_network_has_one_head():
    with pytest.raises(ValueError, match="exclude each other"):
        hrnet_tf.HRNetV2(4, 3, ocr=True, aspp=True, **SMALL)


# One image in several views, with a network whose answer is known


def shades(images):
    """Logits that follow the red channel, at a quarter of the size."""
    red = tf.nn.avg_pool2d(images[..., :1], 4, 4, "SAME")
    return tf.concat([-red, red, 0.5 * red], axis=-1)


def predictor_of(views, any_size=True):
    given = ImageInput(32, 32, any_size=any_size)
    manifest = SegmentationManifest("shades", given, LogitMapOutput(), CLASSES, views)
    return SegmentationPredictor.from_network(shades, manifest)


@pytest.fixture
def picture(rng):
    return cv2.resize(rng.integers(0, 256, (9, 11, 3), np.uint8), (88, 72))


def test_the_mirrored_image_is_averaged_with_classes_exchanged(picture):
    straight = predictor_of(Views()).sum_of_views(picture)
    mirrored = predictor_of(Views()).sum_of_views(
        np.ascontiguousarray(picture[:, ::-1])
    )
    swapped = mirrored[:, ::-1][..., [0, 2, 1]]
    expected = np.sqrt(straight * swapped)  # logits are averaged
    found = predictor_of(Views(flip=True)).sum_of_views(picture)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_scales_are_summed(picture):
    views = [Views(scales=(scale,)) for scale in (0.5, 1.0)]
    expected = sum(predictor_of(view).sum_of_views(picture) for view in views)
    found = predictor_of(Views(scales=(0.5, 1.0))).sum_of_views(picture)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_window_sees_what_the_whole_image_shows(picture):
    whole = predictor_of(Views()).sum_of_views(picture)
    slid = predictor_of(Views(window=True, stride_share=0.5)).sum_of_views(picture)
    assert slid.shape == whole.shape
    inside = np.s_[4:-4, 4:-4]
    assert (slid.argmax(-1) == whole.argmax(-1))[inside].mean() > 0.95


@pytest.mark.parametrize("window", [False, True])
def test_several_images_are_seen_as_one_by_one(window, picture, monkeypatch):
    sizes = []

    def counted(images):
        sizes.append(len(images))
        return shades(images)

    manifest = predictor_of(Views(scales=(0.5, 1.0), window=window)).manifest
    several = SegmentationPredictor.from_network(counted, manifest)
    monkeypatch.setattr(dense, "PIXELS_AT_ONCE", 2 * picture.shape[0] * 88)
    other = np.ascontiguousarray(picture[:40, :60])
    images = [picture, other, picture[::-1].copy(), 255 - picture]
    found = several.predict_several(images)
    assert max(sizes) == 2  # as many as may be
    for image, answer in zip(images, found, strict=True):
        alone = several.predict(image)
        np.testing.assert_array_equal(answer.labels, alone.labels)
        np.testing.assert_allclose(answer.confidence, alone.confidence, rtol=1e-5)


def test_a_small_image_is_padded_to_the_window(picture):
    small = np.ascontiguousarray(picture[:20, :24])
    scores = predictor_of(Views(), any_size=False).sum_of_views(small)
    padded = np.zeros((32, 32, 3), np.uint8)
    padded[:20, :24] = small
    expected = predictor_of(Views()).sum_of_views(padded)[:20, :24]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_the_short_side_and_stretching_set_the_size(picture):
    seen = []

    def network(images):
        seen.append(tuple(images.shape[1:3]))
        return shades(images)

    for views in (Views(short_side=36), Views(stretch=True), Views(scales=(2.0,))):
        manifest = predictor_of(views).manifest
        answer = SegmentationPredictor.from_network(network, manifest).predict(picture)
        assert answer.labels.shape == (72, 88)
    assert seen == [(36, 44), (32, 32), (144, 176)]


@pytest.mark.parametrize("views", [Views(), Views(short_side=36), Views(stretch=True)])
def test_served_labels_are_those_of_the_predictor(views, picture):
    predictor = predictor_of(views)
    encoded = tf.constant([cv2.imencode(".png", picture[..., ::-1])[1].tobytes()])
    found = serving_function(shades, predictor.manifest)(encoded)
    expected = predictor.predict(picture)
    assert (found["labels"].numpy() == expected.labels).mean() > 0.99
    np.testing.assert_allclose(found["confidence"][0], expected.confidence, atol=0.02)


# Pictures


def test_labels_are_written_with_their_colours(tmp_path, rng):
    labels = rng.integers(0, 3, (13, 21), np.uint8)
    write_labels(tmp_path / "mask.png", labels, CLASSES)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), labels)
    colors = hrnet_tf.read_image(tmp_path / "mask.png")
    np.testing.assert_array_equal(colors, CLASSES.colors[labels])


def test_the_overlay_has_a_legend_of_what_is_there():
    labels = np.zeros((40, 160), np.uint8)
    labels[:, 80:] = 2
    answer = LabelMap(labels, np.ones((40, 160), np.float32), CLASSES)
    image = np.full((40, 160, 3), 100, np.uint8)
    plain = draw_labels(image, answer, opacity=1.0, legend=False)
    np.testing.assert_array_equal(plain[0, 100], CLASSES.colors[2])
    drawn = draw_labels(image, answer)
    assert drawn.shape[0] > 80  # twice as large, and the legend
    legend = drawn[80:].reshape(-1, 3)
    shown = {
        index for index in range(3) if (legend == CLASSES.colors[index]).all(1).any()
    }
    assert shown == {0, 2}


def test_a_label_map_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(height, width\)"):
        LabelMap(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.float32), CLASSES)


def test_the_manifest_survives_a_file(tmp_path):
    manifest = replace(predictor_of(Views(scales=(0.5, 1.0))).manifest, versions={})
    manifest.write(tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == manifest

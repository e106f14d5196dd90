"""PSPNet and DeepLabV3 as runs: from their configurations to exports."""

from functools import partial

import numpy as np
import pytest

import hrnet_tf
from hrnet_tf.common.errors import InputError
from hrnet_tf.export.names import ALL
from hrnet_tf.images.pictures import write_image
from hrnet_tf.tasks import make_experiment
from hrnet_tf.tasks.segmentation import experiment as segmentation
from hrnet_tf.training.evaluate import evaluate_run

NAMES = ("PSPNet", "DeepLabV3")


@pytest.fixture
def narrow(monkeypatch):
    """Networks with few channels, which configurations do not ask for."""
    for name in NAMES:
        make = partial(getattr(hrnet_tf, name), width=4)
        monkeypatch.setitem(segmentation.NETWORKS, name, make)


@pytest.fixture
def shapes(tmp_path):
    """Images of a bright square on dark ground."""
    root, rng = tmp_path / "shapes", np.random.default_rng(0)
    for part in ("train", "val"):
        for number in range(4):
            image = rng.integers(0, 60, (48, 56, 3), np.uint8)
            labels = np.zeros((48, 56), np.uint8)
            labels[8:32, 8 + number : 32 + number] = 1
            image[labels == 1] += 150
            write_image(root / "images" / part / f"{number}.png", image)
            write_image(root / "masks" / part / f"{number}.png", labels)
    (root / "classes.txt").write_text("ground\nsquare\n")
    return root


def configured(shapes, name, *more):
    path = shapes.parent / "shapes.yaml"
    path.write_text(
        f"""
task: segmentation
output: {shapes.parent / "run"}
model: {{name: {name}, depth: 50, size: [32, 32], modules: [1, 1, 1, 1], features: 8}}
data: {{root: {shapes}}}
train: {{epochs: 1, batch_size: 4, steps_per_epoch: 2}}
"""
    )
    return hrnet_tf.read_config(path, more)


@pytest.mark.parametrize("name", NAMES)
def test_a_configuration_names_them(name, shapes, narrow):
    tied = make_experiment(configured(shapes, name))
    manifest = tied.make_manifest()
    assert manifest.model == f"{name} depth 50"
    assert manifest.output.stride == 8
    network = tied.build_network(manifest, None)
    assert network.output_shape == (None, None, None, 2)
    answer = tied.training_model(network)(np.zeros((1, 32, 32, 3), np.uint8))
    assert answer.shape == (1, 4, 4, 2)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("model.ocr=true", "`model.ocr` is a head of HRNetV2, and PSPNet has its own"),
        ("model.aspp=true", "`model.aspp` is a head of HRNetV2"),
        ("model.width=18", r"`model.width` \(18\) is of HRNet"),
        ("model.name=HRNetV2", "of PSPNet, DeepLabV3: the variants of HRNetV2"),
        ("model.depth=null", "must say which ResNet PSPNet stands on"),
    ],
)
def test_what_they_do_not_have_is_refused(settings, told, shapes):
    with pytest.raises(InputError, match=told):
        configured(shapes, "PSPNet", settings)


def test_a_depth_map_has_no_such_network(shapes):
    path = shapes.parent / "depth.yaml"
    path.write_text(
        f"task: regression\nmodel: {{name: PSPNet}}\ndata: {{root: {shapes}}}"
    )
    with pytest.raises(InputError, match="HRNetV2"):
        hrnet_tf.read_config(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_they_are_trained_judged_and_exported(name, shapes, narrow, tmp_path):
    run = hrnet_tf.train(configured(shapes, name, "train.recompute=true"))
    evaluation, _ = evaluate_run(run.folder)
    assert 0 <= evaluation.statistics["mean_iou"] <= 1
    files = hrnet_tf.export_run(run.folder, [ALL], tmp_path / "export")
    assert len(files) > 8
    image = hrnet_tf.read_image(shapes / "images" / "val" / "0.png")[:32, :32]
    expected = hrnet_tf.load(run.folder).predict(image)
    for kind in ("savedmodel", "tflite", "tflite_decoded", "onnx"):
        found = hrnet_tf.load(files[kind]).predict(image)
        assert np.mean(found.labels != expected.labels) < 0.01

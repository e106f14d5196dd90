import json
from collections import Counter
from dataclasses import replace

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tf2onnx.optimizer
from keras import layers

import hrnet_tf
from hrnet_tf.cli import main
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.onnx import OPSET, write_onnx
from hrnet_tf.export.onnx_int8 import write_onnx_int8
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes.runtimes import open_artefact
from hrnet_tf.images.preprocess import preprocess_input
from hrnet_tf.tasks import read_manifest
from hrnet_tf.tasks.base.experiment import answering
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.regression.manifest import MapOutput, RegressionManifest
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.tasks.segmentation.manifest import LogitMapOutput, SegmentationManifest
from support.networks import with_statistics
from support.served import TINY

CLASSES = ("a", "b", "c", "d", "e")
LABELLING = SegmentationManifest(
    "tiny", ImageInput(64, 64, any_size=True), LogitMapOutput(), ClassSet("x", CLASSES)
)
CLASSIFYING = ClassificationManifest("tiny", ImageInput(64, 64), CLASSES)


def labelling(**settings):
    return answering(hrnet_tf.HRNetV2(classes=5, **TINY, **settings), "logits")


def attending():
    return labelling(ocr=True, upsampling="bilinear_align_corners")


def classifying():
    shape = {"input_shape": (64, 64, 3), **TINY}
    return hrnet_tf.HRNetClassifier(classes=5, **shape)


# Each network with the least number of transposes inside it. A classifier answers
# without maps. Of OCR's three products, two need an operand transposed.
NETWORKS = {
    "pose": (None, None, 0),
    "labels": (labelling, LABELLING, 0),
    "aspp": (lambda: labelling(aspp=True), LABELLING, 0),
    "ocr": (attending, LABELLING, 2),
    "classes": (classifying, CLASSIFYING, 0),
}
every_network = pytest.mark.parametrize("name", NETWORKS)
both_layouts = pytest.mark.parametrize("layout", ["NHWC", "NCHW"])


@pytest.fixture(scope="module")
def networks(tiny_model, tiny_manifest):
    """Models and their facts, by name, made when they are asked for."""
    made = {"pose": (tiny_model, tiny_manifest)}

    def get(name):
        if name not in made:
            make, manifest, _ = NETWORKS[name]
            made[name] = (with_statistics(make()), manifest)
        return made[name]

    return get


@pytest.fixture(scope="module")
def written(networks, tmp_path_factory):
    """ONNX files of the networks: `written(name, layout)` gives the path."""
    folder = tmp_path_factory.mktemp("onnx")

    def get(name, layout):
        path = folder / f"{name}_{layout}.onnx"
        if not path.exists():
            write_onnx(*networks(name), path, Options(layout))
        return path

    return get


def counted(path):
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@every_network
@both_layouts
def test_files_answer_as_their_models_at_any_size(name, layout, networks, written, rng):
    model, manifest = networks(name)
    height, width = manifest.input.size
    if manifest.input.any_size:
        height, width = height - 3, width + 21
    images = rng.standard_normal((3, height, width, 3)).astype(np.float32)
    expected = model(images, training=False).numpy()
    answer = open_artefact(written(name, layout))(images)[manifest.output.name]
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.ptp(expected))


def test_one_channel_keeps_its_rank_in_any_order(rng, tmp_path, monkeypatch):
    rounds = dict(tf2onnx.optimizer._optimizers)
    rounds["reshape_optimizer"] = rounds.pop("reshape_optimizer")  # after identities go
    monkeypatch.setattr(tf2onnx.optimizer, "_optimizers", rounds)
    image = keras.Input((None, None, 3))
    model = with_statistics(keras.Model(image, layers.Conv2D(1, 3)(image)))
    channels = ChannelSet(("y",))
    manifest = RegressionManifest("tiny", LABELLING.input, MapOutput(), channels)
    write_onnx(model, manifest, tmp_path / "model.onnx", Options())
    images = rng.standard_normal((2, 40, 50, 3)).astype(np.float32)
    expected = model(images, training=False).numpy()
    (answer,) = open_artefact(tmp_path / "model.onnx")(images).values()
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.ptp(expected))


@every_network
@both_layouts
def test_no_transpose_is_left_that_a_hand_would_not_write(name, layout, written):
    inside = NETWORKS[name][2]
    # Maps are transposed once on their way in, and once on their way out.
    around = {"NHWC": 1 if name == "classes" else 2, "NCHW": 0}[layout]
    assert counted(written(name, layout))["Transpose"] == inside + around


@every_network
def test_sizes_are_read_without_detours(name, written):
    kinds = counted(written(name, "NCHW"))
    assert kinds["Conv"] > 40
    useless = {"Cast", "Gather", "Slice", "Identity", "Pad", "BatchNormalization"}
    assert useless & kinds.keys() == set()
    assert kinds["Shape"] <= 2 * kinds["Resize"]


@every_network
@both_layouts
def test_files_are_valid_and_their_shapes_agree(name, layout, written):
    path = written(name, layout)
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.shape_inference.infer_shapes(
        onnx.load(path), check_type=True, strict_mode=True, data_prop=True
    )
    maps = [value.type.tensor_type.shape.dim for value in model.graph.value_info]
    channels = [sides[1] for sides in maps if len(sides) == 4]
    assert len(channels) > 100
    assert all(side.HasField("dim_value") for side in channels)
    assert {x.domain: x.version for x in model.opset_import}[""] == OPSET
    assert model.ir_version <= 10  # what onnxruntime 1.20 reads


@pytest.mark.parametrize(
    ("name", "layout", "given", "answered"),
    [
        ("pose", "NHWC", ["n", 64, 32, 3], ["n", 16, 8, 17]),
        ("pose", "NCHW", ["n", 3, 64, 32], ["n", 17, 16, 8]),
        ("labels", "NHWC", ["n", "height", "width", 3], ["n", "rows", "columns", 5]),
        ("labels", "NCHW", ["n", 3, "height", "width"], ["n", 5, "rows", "columns"]),
        ("classes", "NCHW", ["n", 3, 64, 64], ["n", 5]),
    ],
)
def test_sides_of_any_size_have_names(name, layout, given, answered, written):
    session = onnxruntime.InferenceSession(written(name, layout))
    assert session.get_inputs()[0].shape == given
    assert session.get_outputs()[0].shape == answered


@pytest.mark.parametrize("name", ["pose", "classes"])
def test_a_file_holds_its_own_facts(name, networks, written, tmp_path):
    manifest = networks(name)[1]
    model = onnx.load(written(name, "NCHW"))
    (held,) = [x.value for x in model.metadata_props if x.key == "manifest"]
    (tmp_path / "manifest.json").write_text(held)
    expected = replace(manifest, input=replace(manifest.input, layout="NCHW"))
    if name == "pose":
        output = replace(manifest.output, layout="NCHW")
        expected = replace(expected, output=output)
    assert read_manifest(tmp_path / "manifest.json") == expected


def test_layers_without_a_rule_are_converted_too(rng, tmp_path):
    image = keras.Input((64, 32, 3))
    x = layers.Conv2D(4, 3, 2, padding="same")(image)  # pads by the image's size
    x = layers.GroupNormalization(2)(layers.PReLU()(x))
    model = with_statistics(keras.Model(image, layers.Conv2D(5, 1)(x)))
    manifest = replace(CLASSIFYING, input=ImageInput(64, 32))
    write_onnx(model, manifest, tmp_path / "model.onnx", Options())
    images = rng.standard_normal((2, 64, 32, 3)).astype(np.float32)
    expected = model(images, training=False).numpy()
    (answer,) = open_artefact(tmp_path / "model.onnx")(images).values()
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.ptp(expected))


def test_channels_first_is_asked_for_on_the_command_line(
    shallow_run, shallow, tmp_path, rng
):
    settings = ["--format", "onnx", "--layout", "nchw", "--out", str(tmp_path / "x")]
    main(["export", str(shallow_run), *settings])
    path = tmp_path / "x" / "model.onnx"
    facts = read_manifest(tmp_path / "x" / "model.onnx.json")
    assert (facts.input.layout, facts.output.layout) == ("NCHW", "NCHW")
    assert facts.artefact.operations == f"ONNX opset {OPSET}"
    image = rng.integers(0, 256, (90, 50, 3), np.uint8)
    found = hrnet_tf.load(path).predict(image)
    expected = hrnet_tf.load(shallow_run, flip=False).predict(image)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.02)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)


def test_formats_without_a_layout_keep_theirs(shallow_run, shallow, tmp_path):
    export_run(shallow_run, ["tflite"], tmp_path, Options("NCHW"))
    assert read_manifest(tmp_path / "model.tflite.json").input.layout == "NHWC"


# int8


@pytest.fixture(scope="module")
def in_int8(networks, tmp_path_factory):
    """Networks with weights and maps in int8, calibrated on noise."""
    folder = tmp_path_factory.mktemp("int8")
    rng = np.random.default_rng(0)

    def get(name, layout):
        path = folder / f"{name}_{layout}.onnx"
        if not path.exists():
            model, manifest = networks(name)
            images = rng.integers(0, 256, (8, *manifest.input.size, 3), np.uint8)
            options = Options(layout, calibration=images)
            assert (
                write_onnx_int8(model, manifest, path, options).input.layout == layout
            )
        return path

    return get


@pytest.mark.parametrize(
    ("name", "layout"), [("pose", "NHWC"), ("ocr", "NCHW"), ("classes", "NHWC")]
)
def test_int8_answers_nearly_as_the_model(name, layout, networks, in_int8, rng):
    model, manifest = networks(name)
    images = rng.integers(0, 256, (4, *manifest.input.size, 3), np.uint8)
    inputs = preprocess_input(images).numpy()
    expected = model(inputs, training=False).numpy()
    answer = open_artefact(in_int8(name, layout))(inputs)[manifest.output.name]
    assert answer.dtype == np.float32
    error = (answer - expected).std() / expected.std()
    assert 1e-4 < error < 0.2


def test_int8_holds_every_convolution_and_none_of_the_products_of_ocr(in_int8):
    path = in_int8("ocr", "NCHW")
    graph = onnx.load(path).graph
    kinds = {output: node.op_type for node in graph.node for output in node.output}
    sources = {
        kind: [
            kinds[x] for node in graph.node if node.op_type == kind for x in node.input
        ]
        for kind in ("Conv", "MatMul", "Softmax")
    }
    assert set(sources["Conv"]) == {"DequantizeLinear"}
    assert "DequantizeLinear" not in sources["Softmax"]
    numbers = {x.name: x for x in graph.initializer}
    scales = [
        numbers[node.input[1]].dims
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in numbers
    ]
    assert any(list(dims) != [] for dims in scales)  # a scale a channel
    # Kernels in signed and maps in unsigned numbers: what onnxruntime is fast with.
    zeros = {
        numbers[node.input[2]].data_type
        for node in graph.node
        if node.op_type == "QuantizeLinear"
    }
    assert zeros == {onnx.TensorProto.UINT8}


@pytest.mark.parametrize(("name", "layout"), [("pose", "NHWC"), ("ocr", "NCHW")])
def test_int8_files_are_valid_and_hold_their_facts(name, layout, in_int8):
    model = onnx.load(in_int8(name, layout))
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(
        model, check_type=True, strict_mode=True, data_prop=True
    )
    assert {x.domain: x.version for x in model.opset_import}[""] == OPSET
    assert model.ir_version <= 10
    held = {x.key: x.value for x in model.metadata_props}
    assert json.loads(held["manifest"])["input"]["layout"] == layout


def test_a_run_is_calibrated_on_its_training_images(shallow_run, shallow, tmp_path):
    path = export_run(shallow_run, ["onnx_int8"], tmp_path)["onnx_int8"]
    assert path == tmp_path / "model_int8.onnx"
    facts = read_manifest(tmp_path / "model_int8.onnx.json")
    assert facts.artefact.format == "onnx_int8"
    assert facts.input.dtype == "float32"
    image = np.zeros((90, 50, 3), np.uint8)
    assert hrnet_tf.load(path).predict(image).keypoints.shape == (1, 17, 2)


def test_int8_without_images_is_refused(networks, tmp_path):
    with pytest.raises(hrnet_tf.InputError, match="needs images to measure ranges"):
        write_onnx_int8(*networks("pose"), tmp_path / "model.onnx", Options())

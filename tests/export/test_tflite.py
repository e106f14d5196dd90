"""TFLite files of every kind: numbers, types, operations, and the facts inside."""

import json

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import hrnet_tf
from hrnet_tf.export import flatbuffer
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes.runtimes import open_artefact
from hrnet_tf.export.signatures import decode
from hrnet_tf.export.tflite import METADATA
from hrnet_tf.tasks import read_manifest
from support.spots import spot_manifest, spot_network

KINDS = [name for name in FORMATS if name.startswith("tflite")]
every_kind = pytest.mark.parametrize("kind", KINDS)

# What goes in, what comes out, and how far the answers may be off, of their range.
FACTS = {
    "tflite": ("float32", "float32", 1e-5),
    "tflite_float16": ("float32", "float32", 5e-3),
    "tflite_dynamic_int8": ("float32", "float32", 0.1),
    "tflite_int8": ("int8", "int8", 0.2),
    "tflite_int16x8": ("int16", "int16", 0.1),
}


@pytest.fixture(scope="module")
def files(run_folder, tmp_path_factory):
    return export_run(run_folder, KINDS, tmp_path_factory.mktemp("tflite"))


@pytest.fixture(scope="module")
def crops(run_folder):
    return np.load(run_folder / "samples.npz")["crops"]


def facts_of(path):
    return read_manifest(path.with_name(f"{path.name}.json"))


@pytest.mark.parametrize("kind", FACTS)
def test_answers_are_near_those_of_the_model(kind, files, crops, tiny_model):
    images = hrnet_tf.preprocess_input(crops).numpy()
    expected = tiny_model(images, training=False).numpy()
    found = open_artefact(files[kind])(images)["heatmaps"]
    assert np.abs(found - expected).max() < FACTS[kind][2] * np.ptp(expected)


def test_more_bits_are_nearer(files, crops, tiny_model):
    images = hrnet_tf.preprocess_input(crops).numpy()
    expected = tiny_model(images, training=False).numpy()
    off = {
        kind: np.abs(open_artefact(files[kind])(images)["heatmaps"] - expected).mean()
        for kind in FACTS
    }
    assert off["tflite"] < off["tflite_float16"] < off["tflite_int16x8"]
    assert off["tflite_int16x8"] < off["tflite_int8"]


@pytest.mark.parametrize("kind", FACTS)
def test_the_manifest_says_what_goes_in_and_out(kind, files):
    facts = facts_of(files[kind])
    interpreter = Interpreter(str(files[kind]))
    ends = (
        (facts.input, interpreter.get_input_details()),
        (facts.output, interpreter.get_output_details()),
    )
    for (stated, (found,)), dtype in zip(ends, FACTS[kind], strict=False):
        assert (stated.dtype, np.dtype(found["dtype"]).name) == (dtype, dtype)
        scale, zero_point = found["quantization"]
        if dtype == "float32":
            assert (stated.quantisation, scale) == (None, 0.0)
        else:
            assert stated.quantisation.scale == pytest.approx(scale)
            assert stated.quantisation.zero_point == zero_point


@every_kind
def test_the_facts_are_inside_the_file_too(kind, files):
    inside = json.loads(
        flatbuffer.read_metadata(files[kind].read_bytes(), METADATA) or b""
    )
    beside = json.loads(files[kind].with_name(f"{files[kind].name}.json").read_text())
    assert inside.pop("artefact") is None
    assert beside.pop("artefact")["format"] == kind
    assert inside == beside


def test_a_file_without_facts_has_none(files):
    model = flatbuffer.unpack(files["tflite"].read_bytes())
    model.metadata = []
    assert flatbuffer.read_metadata(flatbuffer.pack(model), METADATA) is None


@every_kind
def test_operations_are_built_in_and_sizes_are_known(kind, files):
    model = flatbuffer.unpack(files[kind].read_bytes())
    assert len(model.operatorCodes) > 3
    custom = schema.BuiltinOperator.CUSTOM
    assert [c.customCode for c in model.operatorCodes if c.builtinCode == custom] == []
    assert [code.customCode for code in model.operatorCodes if code.customCode] == []
    (graph,) = model.subgraphs
    shapes = [list(graph.tensors[i].shape) for i in (*graph.inputs, *graph.outputs)]
    assert [shape[0] for shape in shapes] == [1] * len(shapes)
    assert all(side > 0 for shape in shapes for side in shape)


def kernels(path):
    """Weights of convolutions, and the tensors that they are."""
    (graph,) = flatbuffer.unpack(path.read_bytes()).subgraphs
    return [t for t in graph.tensors if t.shape is not None and len(t.shape) == 4]


@pytest.mark.parametrize(
    "kind", ["tflite_dynamic_int8", "tflite_int8", "tflite_int16x8"]
)
def test_every_channel_of_weights_has_its_range(kind, files):
    found = [
        len(tensor.quantization.scale)
        for tensor in kernels(files[kind])
        if tensor.type == schema.TensorType.INT8
        and tensor.quantization is not None
        and len(tensor.quantization.scale) == tensor.shape[0] > 1
    ]
    assert len(found) > 20


def test_integers_are_smaller(files):
    size = {kind: files[kind].stat().st_size for kind in FACTS}
    assert size["tflite_int8"] < size["tflite_float16"] < size["tflite"]


# Decoding in the graph


def test_a_decoding_file_has_an_output_for_each_kind_of_number(files):
    outputs = Interpreter(str(files["tflite_decoded"])).get_signature_list()
    assert outputs["serving_default"]["outputs"] == ["keypoints", "scores"]
    assert facts_of(files["tflite_decoded"]).artefact.decodes


@pytest.mark.parametrize(
    ("refinement", "encoding"),
    [
        ("none", "plain"),
        ("quarter", "plain"),
        ("dark", "plain"),
        ("udp", "udp"),
        ("none", "udp_offsets"),
    ],
)
def test_decoding_inside_is_decoding_outside(refinement, encoding, tmp_path, rng):
    manifest = spot_manifest(refinement=refinement, encoding=encoding)
    path = tmp_path / "model_decoded.tflite"
    network = spot_network()
    FORMATS["tflite_decoded"].write(network, manifest, path, Options())
    images = rng.normal(size=(5, 64, 48, 3)).astype(np.float32)
    expected = decode(network(images), manifest)
    found = open_artefact(path)(images)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value.numpy(), atol=1e-3)


def test_a_decoding_file_finds_the_same_people(files):
    image = np.random.default_rng(1).integers(0, 256, (90, 70, 3), np.uint8)
    boxes = [(0, 0, 70, 90), (10, 20, 30, 40)]
    inside, outside = (
        hrnet_tf.load(files[kind]).predict(image, boxes)
        for kind in ("tflite_decoded", "tflite")
    )
    np.testing.assert_allclose(inside.keypoints, outside.keypoints, atol=1e-3)
    np.testing.assert_allclose(inside.scores, outside.scores, rtol=1e-4)


def test_a_decoding_file_cannot_flip(files):
    with pytest.raises(hrnet_tf.InputError, match="cannot average with the mirrored"):
        hrnet_tf.load(files["tflite_decoded"], flip=True)


# Calibration


def test_integers_need_images(tiny_model, tiny_manifest, tmp_path):
    write = FORMATS["tflite_int8"].write
    with pytest.raises(hrnet_tf.InputError, match="int8 needs images to measure"):
        write(tiny_model, tiny_manifest, tmp_path / "model_int8.tflite", Options())


def test_ranges_are_the_widest_that_images_bring(tmp_path):
    images = np.zeros((40, 64, 48, 3), np.uint8)
    images[7, :32] = 255  # one bright image among dark ones
    path = tmp_path / "model_int8.tflite"
    facts = FORMATS["tflite_int8"].write(
        spot_network(), spot_manifest(), path, Options(calibration=images)
    )
    # Heatmaps of spots lie in 0..1; a moving average would end far below.
    assert facts.output.quantisation.scale == pytest.approx(1 / 255, rel=0.02)


def test_tensors_of_one_name_are_told_apart():
    """TensorFlow 2.15 calls what parts of loops are given `arg0`, in each of them."""
    graphs = []
    for names in (["image", "arg0"], [b"arg0", b"arg1"], ["arg0"]):
        graph = schema.SubGraphT()
        graph.tensors = [schema.TensorT() for _ in names]
        for tensor, name in zip(graph.tensors, names, strict=True):
            tensor.name = name
        graphs.append(graph)
    model = schema.ModelT()
    model.subgraphs = graphs

    flatbuffer.tell_tensors_apart(model)

    names = [[tensor.name for tensor in graph.tensors] for graph in graphs]
    assert names == [["image", "arg0"], ["arg0/part_1/0", b"arg1"], ["arg0/part_2/0"]]

"""What surrounds the networks of a detector, as TFLite and ONNX files."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from hrnet_tf.tasks.detection.boxes import BOX_STDS
from hrnet_tf.tasks.detection.portable_roi_align import portable_roi_align
from hrnet_tf.tasks.detection.proposals import Proposing, propose
from hrnet_tf.tasks.detection.suppression import Answers, detect
from support.official import channels_last, read_arrays

BATCH = slice(0, 1)  # files hold graphs of one image


def proposing():
    """Proposals of the record as a function, and what it takes."""
    record = read_arrays("detection", "rpn_proposals")
    maps = [
        channels_last(record[f"{kind}_{level}"])[BATCH]
        for kind in ("objectness", "deltas")
        for level in range(5)
    ]
    sizes = record["img_shapes"][BATCH].astype(np.int32)

    def proposals(*of):
        return propose(of[:5], of[5:10], of[10], Proposing(300, 50))

    return proposals, [*maps, sizes]


def pooling():
    record = read_arrays("detection", "roi_align")
    maps = [channels_last(record[f"feature_{level}"])[BATCH] for level in range(4)]
    boxes = record["rois"][record["rois"][:, 0] == 0][None, :, 1:]

    def features(*of):
        return (portable_roi_align(of[:4], of[4], 7),)

    return features, [*maps, boxes]


def detecting():
    record = read_arrays("detection", "postprocess")
    rois = record["crowded/rois"][None, :, 1:]
    logits, deltas = record["crowded/class_logits"], record["crowded/deltas"]
    sizes = record["img_shape"][None].astype(np.int32)

    def detections(rois, logits, deltas, sizes):
        real = tf.ones(tf.shape(rois)[:2], tf.bool)
        return tuple(detect(Answers(rois, real, logits, deltas), BOX_STDS, sizes))

    return detections, [rois, logits[None], deltas[None], sizes]


CASES = {"proposals": proposing, "features": pooling, "detections": detecting}


def in_tflite(function, inputs):
    """What a TFLite file of built-in operations alone answers."""
    names = [f"input_{i}" for i in range(len(inputs))]
    specs = [
        tf.TensorSpec(value.shape, value.dtype, name)
        for name, value in zip(names, inputs, strict=True)
    ]

    @tf.function(input_signature=specs)
    def graph(*of):
        return {f"output_{i}": value for i, value in enumerate(function(*of))}

    module = tf.Module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [graph.get_concrete_function()], module
    )
    runner = Interpreter(model_content=converter.convert()).get_signature_runner()
    found = runner(**dict(zip(names, inputs, strict=True)))
    return [found[f"output_{i}"] for i in range(len(found))]


def in_onnx(function, inputs):
    """What an ONNX file answers in onnxruntime."""
    onnxruntime = pytest.importorskip("onnxruntime")
    tf2onnx = pytest.importorskip("tf2onnx")
    names = [f"input_{i}" for i in range(len(inputs))]
    specs = [
        tf.TensorSpec(value.shape, value.dtype, name)
        for name, value in zip(names, inputs, strict=True)
    ]
    model, _ = tf2onnx.convert.from_function(
        tf.function(function), input_signature=specs, opset=17
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, dict(zip(names, inputs, strict=True)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ask", [in_tflite, in_onnx])
def test_exported_parts_say_the_same(case, ask):
    function, inputs = CASES[case]()
    expected = [value.numpy() for value in function(*map(tf.constant, inputs))]
    found = ask(function, inputs)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)

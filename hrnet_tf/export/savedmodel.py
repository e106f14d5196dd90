"""Networks to SavedModels, for TensorFlow Serving."""

from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from hrnet_tf.export.options import Options
from hrnet_tf.fold import StandIns, constant_graph, fold
from hrnet_tf.manifest import TaskManifest
from hrnet_tf.serving import signature_of


def write_savedmodel(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write a SavedModel folder with two signatures.

    `serving_default` takes `image`, normalised float32 images `(n, height, width, 3)`,
    any number of them, and gives `heatmaps` or `logits`. The other one takes
    `image_bytes`, an encoded JPEG or PNG: `keypoints` takes `boxes` too, float32
    `(people, 4)`, and gives `keypoints` and `scores` in pixels of that image;
    `classify` gives `probabilities` and a `label`, `segment` gives `labels` and
    `confidence` of every pixel, `regress` gives their `values`.
    """
    image = tf.TensorSpec((None, *manifest.input.shape, 3), tf.float32, "image")
    stand_ins = StandIns()
    folded = fold(model, stand_ins.constant)
    name, signature = manifest.output.name, signature_of(manifest)
    answer = constant_graph(lambda image: {name: folded(image)}, image)
    # Calling the first graph, the second shares its weights.
    serve = signature.make(lambda images: answer(images)[name], manifest)
    signatures = {
        "serving_default": answer,
        signature.name: constant_graph(serve, *signature.inputs),
    }
    tf.saved_model.save(tf.Module(), str(path), signatures=signatures)
    saved = Path(path) / "saved_model.pb"
    content = saved_model_pb2.SavedModel.FromString(saved.read_bytes())
    stand_ins.fill_in(content.meta_graphs[0].graph_def)
    saved.write_bytes(content.SerializeToString())
    (Path(path) / "fingerprint.pb").unlink(missing_ok=True)  # of the stand-ins
    return manifest

"""One crop through the exported SavedModel, and through `tf.function(model)`.

Both answer the same normalised crop in the same process, in turns, with TensorFlow's
own settings. The peer is what one has without an export: the Keras model's graph, with
its variables and batch norms. Loading, tracing and the first calls do not count.
"""

import tempfile

import numpy as np
import tensorflow as tf

from benchmarks.network import SIZE, make_manifest, make_network
from benchmarks.report import Result
from hrnet_tf.common.latency import median_latency
from hrnet_tf.export.options import Options
from hrnet_tf.export.savedmodel import write_savedmodel

TARGET = 1.35
ROUNDS = 60


def run() -> list[Result]:
    """Median latencies of one crop."""
    model = make_network()
    with tempfile.TemporaryDirectory() as folder:
        write_savedmodel(model, make_manifest(), folder, Options())
        loaded = tf.saved_model.load(folder)
    serve = loaded.signatures["serving_default"]
    graph = tf.function(lambda image: model(image, training=False), autograph=False)
    rng = np.random.default_rng(0)
    image = tf.constant(rng.standard_normal((1, *SIZE, 3)), tf.float32)
    times = median_latency(
        {
            "exported SavedModel": lambda: serve(image=image)["heatmaps"].numpy(),
            "tf.function(model)": lambda: graph(image).numpy(),
        },
        ROUNDS,
    )
    ours, peer = times.values()
    return [Result("one crop, W32 256x192", times, "ms", peer / ours, TARGET)]

"""`PosePredictor.predict` on an image with one box, and the network alone on its crop.

The difference is what Python, cropping, normalising and decoding cost. The peer is the
same network as a frozen graph, the fastest form it has in TensorFlow, on a crop that is
normalised already; its heatmaps are not even read. Both run in the same process, in
turns.
"""

import numpy as np
import tensorflow as tf

from benchmarks.network import SIZE, make_manifest, make_network
from benchmarks.report import Result
from hrnet_tf import PosePredictor, preprocess_input
from hrnet_tf.common.latency import median_latency
from hrnet_tf.networks.fold import constant_graph, fold

TARGET = 2.0  # milliseconds
ROUNDS = 100
BOX = (150.0, 100.0, 150.0, 300.0)  # x, y, width, height in pixels


def run() -> list[Result]:
    """Median latencies of one person."""
    model, manifest = make_network(), make_manifest()
    predictor = PosePredictor.from_model(model, manifest)
    signature = tf.TensorSpec((None, *SIZE, 3), tf.float32, "image")
    network = constant_graph(fold(model), signature)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    crop = preprocess_input(predictor.crops(image, np.array([BOX])))
    times = median_latency(
        {
            "predict(image, [box])": lambda: predictor.predict(image, [BOX]),
            "network alone": lambda: network(crop).numpy(),
        },
        ROUNDS,
    )
    ours, peer = times.values()
    return [Result("one person", times, "ms", ours - peer, TARGET, is_ratio=False)]

"""`hrnet-tf predict` on a folder of photographs, and the network alone.

The folder is read, looked at, drawn and written; the peer is the same network as a
frozen graph on batches of normalised crops that are in memory already. Both run in the
same process, in turns.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.network import SIZE, make_manifest, make_network
from benchmarks.photographs import draw_people
from benchmarks.report import Result
from hrnet_tf import PosePredictor, preprocess_input
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.tasks import make_viewer
from hrnet_tf.training.media import predict_files

TARGET = 0.85
IMAGES, BATCH, ROUNDS = 64, 8, 3


def run() -> list[Result]:
    """Images a second, one person in each; the medians of rounds in turns."""
    model, manifest = make_network(), make_manifest()
    predictor = PosePredictor.from_model(model, manifest)
    signature = tf.TensorSpec((None, *SIZE, 3), tf.float32, "image")
    network = constant_graph(fold(model), signature)
    rng = np.random.default_rng(0)
    crops = preprocess_input(rng.integers(0, 256, (BATCH, *SIZE, 3), dtype=np.uint8))
    rates: dict[str, list[float]] = {"predict on a folder": [], "network alone": []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "images")
        folder.mkdir()
        draw_people(folder, IMAGES)
        network(crops)
        for number in range(ROUNDS):
            start = time.perf_counter()
            predict_files(make_viewer(predictor), folder, Path(scratch, str(number)))
            rates["predict on a folder"].append(IMAGES / (time.perf_counter() - start))
            start = time.perf_counter()
            for _ in range(IMAGES // BATCH):
                network(crops)[0].numpy()
            rates["network alone"].append(IMAGES / (time.perf_counter() - start))
    times = {name: float(np.median(found)) for name, found in rates.items()}
    ours, peer = times.values()
    title = f"{IMAGES} photographs, W32 256x192"
    return [Result(title, times, "images/s", ours / peer, TARGET)]

"""`hrnet-tf predict` on a folder of photographs and on a video, and the network alone.

Images and frames are read, looked at, drawn and written; the peer is the same network
as a frozen graph on batches of normalised crops that are in memory already. All run in
the same process, in turns.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.network import SIZE, make_manifest, make_network
from benchmarks.photographs import draw_people
from benchmarks.report import Result
from hrnet_tf import PosePredictor, preprocess_input, read_image
from hrnet_tf.images.video import VideoFile
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.tasks import make_viewer
from hrnet_tf.training.media import predict_files

TARGET = 0.85
IMAGES, BATCH, ROUNDS = 64, 8, 3
PEER = "network alone"


def run() -> list[Result]:
    """Images a second, one person in each; the medians of rounds in turns."""
    model, manifest = make_network(), make_manifest()
    predictor = PosePredictor.from_model(model, manifest)
    signature = tf.TensorSpec((None, *SIZE, 3), tf.float32, "image")
    network = constant_graph(fold(model), signature)
    rng = np.random.default_rng(0)
    crops = preprocess_input(rng.integers(0, 256, (BATCH, *SIZE, 3), dtype=np.uint8))
    with tempfile.TemporaryDirectory() as scratch:
        folder, video = Path(scratch, "images"), Path(scratch, "video.mp4")
        folder.mkdir()
        draw_people(folder, IMAGES)
        write_video(folder, video)
        sources = {"predict on a folder": folder, "predict on a video": video}
        rates: dict[str, list[float]] = {name: [] for name in (*sources, PEER)}
        network(crops)
        for number in range(ROUNDS):
            for name, source in sources.items():
                start = time.perf_counter()
                out = Path(scratch, f"{name} {number}")
                predict_files(make_viewer(predictor), source, out)
                rates[name].append(IMAGES / (time.perf_counter() - start))
            start = time.perf_counter()
            for _ in range(IMAGES // BATCH):
                network(crops)[0].numpy()
            rates[PEER].append(IMAGES / (time.perf_counter() - start))
    times = {name: float(np.median(found)) for name, found in rates.items()}
    kinds = zip(sources, ("photographs", "frames"), strict=True)
    return [
        Result(
            f"{IMAGES} {kind}, W32 256x192",
            {name: times[name], PEER: times[PEER]},
            "images/s",
            times[name] / times[PEER],
            TARGET,
        )
        for name, kind in kinds
    ]


def write_video(folder: Path, video: Path) -> None:
    """A video of the images of a folder."""
    written = VideoFile(video, 25.0)
    for path in sorted(folder.iterdir()):
        written.write(read_image(path))
    written.release()
    written.check()

"""`predict-many` on a folder of photographs, and the network alone; and its memory.

The peer is the same network as a frozen graph on batches of normalised crops that are
in memory already; it runs in turns with `predict-many`. What Ray takes to begin and the
model to be opened is paid once a job, so throughput is that of the parts, from when the
first one is written to when the last one is. Memory is the largest sum of what this
process, Ray's and the worker's have for themselves, while tiny images go by.
"""

import os
import tempfile
import threading
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.network import SIZE, make_manifest, make_network
from benchmarks.photographs import draw_people
from benchmarks.report import Result
from hrnet_tf import preprocess_input
from hrnet_tf.bulk.predict_many import Options, predict_many
from hrnet_tf.images.pictures import write_image
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.tasks.pose.manifest import PoseManifest
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.run import Run

TARGET = 0.9
IMAGES, PART, BATCH = 192, 32, 8
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
TINY, GROWTH = (2_000, 6_000), 64  # images, and megabytes that more of them may take


def write_run(model: keras.Model, manifest: PoseManifest, folder: Path) -> Path:
    """A run whose best network is this one."""
    height, width = manifest.input.size
    wide = manifest.model.rpartition(" ")[2]
    settings = [f"model.size=[{height},{width}]", f"model.width={wide}"]
    name = "pose/coco_hrnet_v1_w32_256x192"
    run = Run.prepare(read_config(name, [f"output={folder}", *settings]))
    run.create(manifest)
    model.save(run.best)
    return folder


def rate_of_parts(out: Path, images: int) -> float:
    """Images a second, from the first part to the last."""
    times = sorted(path.stat().st_mtime for path in out.glob("part-*.parquet"))
    return images * (len(times) - 1) / len(times) / (times[-1] - times[0])


def own_memory() -> float:
    """Of this process and all it has started, in megabytes; without what they share."""
    parents, sizes = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(") ")[2].split()
            resident, shared = (folder / "statm").read_text().split()[1:3]
        except OSError:  # it has ended meanwhile
            continue
        parents[int(folder.name)] = int(state[1])
        sizes[int(folder.name)] = int(resident) - int(shared)
    ours = {os.getpid()}
    for _ in range(9):  # as deep as Ray's processes are, and deeper
        ours |= {number for number, parent in parents.items() if parent in ours}
    return sum(sizes.get(number, 0) for number in ours) * PAGE / 2**20


class Watch(threading.Thread):
    """Samples memory while it runs.

    Attributes:
        peak: the largest that was found, in megabytes.
        stopped: to be set at the end.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.stopped = 0.0, threading.Event()

    def run(self) -> None:
        """Sample until it is stopped."""
        while not self.stopped.wait(0.2):
            self.peak = max(self.peak, own_memory())


def run() -> list[Result]:
    """Throughput of the parts, and how memory grows with the number of images."""
    model, manifest = make_network(), make_manifest()
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_run(model, manifest, Path(scratch, "run"))
        images = Path(scratch, "images")
        images.mkdir()
        draw_people(images, IMAGES)
        rates = []
        network = constant_graph(
            fold(model), tf.TensorSpec((None, *SIZE, 3), tf.float32, "image")
        )
        rng = np.random.default_rng(0)
        shape = (BATCH, *SIZE, 3)
        crops = preprocess_input(rng.integers(0, 256, shape, dtype=np.uint8))
        for number in range(2):
            out = Path(scratch, f"out{number}")
            network(crops)[0].numpy()
            start = time.perf_counter()
            for _ in range(IMAGES // BATCH // 2):
                network(crops)[0].numpy()
            alone = IMAGES / 2 / (time.perf_counter() - start)
            predict_many(images, folder, out, Options(part_size=PART))
            rates.append((rate_of_parts(out, IMAGES), alone))
        ours, peer = (float(np.mean(side)) for side in zip(*rates, strict=True))
        speed = {"predict-many": ours, "network alone": peer}
        title = f"{IMAGES} photographs, W32 256x192"
        return [
            Result(title, speed, "images/s", ours / peer, TARGET),
            _memory(Path(scratch)),
        ]


def _memory(scratch: Path) -> Result:
    """Peaks while few and many tiny images go by."""
    small = (64, 32)
    folder = write_run(
        make_network(18, small), make_manifest(18, small), scratch / "small"
    )
    tiny = scratch / "tiny.png"
    write_image(tiny, np.zeros((32, 24, 3), np.uint8))
    peaks = {}
    for count in TINY:
        names = scratch / f"{count}.txt"
        names.write_text("\n".join([str(tiny)] * count))
        watch = Watch()
        watch.start()
        predict_many(names, folder, scratch / f"tiny{count}")
        watch.stopped.set()
        watch.join()
        peaks[f"{count} tiny images"] = watch.peak
    few, many = peaks.values()
    return Result("memory", peaks, "MB", many - few, GROWTH, is_ratio=False)

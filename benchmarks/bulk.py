"""`predict-many` on a list of photographs, and the network alone; and its memory.

The peer is the same network as a frozen graph on batches of normalised crops that are
in memory already; it runs in turns with `predict-many`. What Ray takes to begin and the
model to be opened is paid once a job, so throughput is that of the parts, from when the
first one is written to when the last one is; that of the whole call is printed beside.

Memory is what this process, Ray's and the worker have for themselves, while tiny images
go by. `python -m benchmarks.bulk 100000` prints it over time for so many of them, from
a folder and from a TFRecord file.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import hrnet_tf
from benchmarks.__main__ import use_two_cores
from benchmarks.network import SIZE, make_manifest, make_network
from benchmarks.photographs import draw_people
from benchmarks.report import Result, table
from benchmarks.watch import Watch
from hrnet_tf import preprocess_input
from hrnet_tf.bulk.predict_many import PART_SIZE, predict_many
from hrnet_tf.bulk.sources import PARTS
from hrnet_tf.images.pictures import write_image
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.tasks.base.manifest import ImageInput, TaskManifest
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.run import Run

TARGET = 0.9
PHOTOGRAPHS, IMAGES, BATCH, ROUNDS = 64, 3 * PART_SIZE, 8, 2
TINY, GROWTH = (2_000, 6_000), 64  # images, and megabytes that more of them may take
TINY_SIZE = (32, 32)
BOUND = 128  # megabytes that all images after the first tenth may take
LINES = 20  # that are printed over time


def write_run(
    model: keras.Model, manifest: TaskManifest, folder: Path, config: str, *own: str
) -> Path:
    """A run whose best network is this one; `own` are settings of its configuration."""
    height, columns = model.input_shape[1:3]
    settings = [f"output={folder}", f"model.size=[{height},{columns}]", *own]
    run = Run.prepare(read_config(config, settings))
    run.create(manifest)
    model.save(run.best)
    return folder


def write_tiny(folder: Path) -> Path:
    """A run of a classifier that is as small as they come."""
    keras.utils.set_random_seed(0)
    model = hrnet_tf.HRNetClassifier(4, 3, input_shape=(*TINY_SIZE, 3))
    manifest = ClassificationManifest(
        "HRNetClassifier width 4", ImageInput(*TINY_SIZE), ("a", "b", "c")
    )
    own = ("model.width=4", "data.root=nowhere")
    return write_run(model, manifest, folder, "classification/folder", *own)


def rate_of_parts(out: Path, images: int) -> float:
    """Images a second, from the first part to the last."""
    times = sorted(path.stat().st_mtime for path in out.glob(PARTS))
    return images * (len(times) - 1) / len(times) / (times[-1] - times[0])


def run() -> list[Result]:
    """Throughput of the parts, and how memory grows with the number of images."""
    with tempfile.TemporaryDirectory() as scratch:
        return [_throughput(Path(scratch)), _growth(Path(scratch))]


def _throughput(scratch: Path) -> Result:
    model, manifest = make_network(), make_manifest()
    config = "pose/coco_hrnet_v1_w32_256x192"
    folder = write_run(model, manifest, scratch / "run", config)
    draw_people(scratch, PHOTOGRAPHS)
    files = sorted(str(path) for path in scratch.glob("*.jpg"))
    names = scratch / "photographs.txt"
    names.write_text("\n".join(files * (IMAGES // PHOTOGRAPHS)))
    signature = tf.TensorSpec((None, *SIZE, 3), tf.float32, "image")
    network = constant_graph(fold(model), signature)
    rng = np.random.default_rng(0)
    crops = preprocess_input(rng.integers(0, 256, (BATCH, *SIZE, 3), dtype=np.uint8))
    network(crops)[0].numpy()

    def alone() -> float:
        start = time.perf_counter()
        for _ in range(IMAGES // BATCH // 8):
            network(crops)[0].numpy()
        return IMAGES / 8 / (time.perf_counter() - start)

    parts, whole, peers = [], [], [alone()]
    for number in range(ROUNDS):
        out = scratch / f"out{number}"
        start = time.perf_counter()
        predict_many(names, folder, out)
        whole.append(IMAGES / (time.perf_counter() - start))
        parts.append(rate_of_parts(out, IMAGES))
        peers.append(alone())
    sides = {
        "predict-many": float(np.mean(parts)),
        "with the start of Ray and the model": float(np.mean(whole)),
        "network alone": float(np.mean(peers)),
    }
    ratio = sides["predict-many"] / sides["network alone"]
    title = f"{IMAGES} photographs in parts of {PART_SIZE}, W32 256x192"
    return Result(title, sides, "images/s", ratio, TARGET)


def _growth(scratch: Path) -> Result:
    """Peaks while few and many tiny images go by."""
    folder, tiny, peaks = write_tiny(scratch / "tiny"), scratch / "tiny.png", {}
    write_image(tiny, np.zeros((*TINY_SIZE, 3), np.uint8))
    for count in TINY:
        names = scratch / f"{count}.txt"
        names.write_text("\n".join([str(tiny)] * count))
        with Watch() as watch:
            predict_many(names, folder, scratch / f"tiny{count}")
        peaks[f"{count} tiny images"] = watch.peak
    few, many = peaks.values()
    return Result("memory", peaks, "MB", many - few, GROWTH, is_ratio=False)


def write_folder(folder: Path, count: int) -> Path:
    """So many tiny files."""
    folder.mkdir()
    encoded = _encoded(folder)
    for number in range(count):
        (folder / f"{number:07d}.png").write_bytes(encoded)
    return folder


def write_records(path: Path, count: int) -> Path:
    """The same in a TFRecord file."""
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[_encoded(path)]))
    features = tf.train.Features(feature={"image/encoded": value})
    record = tf.train.Example(features=features).SerializeToString()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(count):
            writer.write(record)
    return path


def _encoded(place: Path) -> bytes:
    tiny = place.with_suffix(".tiny.png")
    noise = np.random.default_rng(0).integers(0, 256, (*TINY_SIZE, 3), dtype=np.uint8)
    write_image(tiny, noise)
    return tiny.read_bytes()


def over_time(source: Path, model: Path, out: Path, count: int) -> Result:
    """Memory while images go by, printed; and what comes on top after a tenth of them.

    Args:
        source: holds the images.
        model: a run.
        out: for the answers.
        count: of the images.
    """
    peaks, printed = [0.0, 0.0], [0]

    def tell(memory: dict[str, float]) -> None:
        done = min(count, len(list(out.glob(PARTS))) * PART_SIZE)
        late = int(done > count / 10)
        peaks[late] = max(peaks[late], sum(memory.values()))
        if done >= printed[-1]:
            sizes = ", ".join(f"{name} {own:.0f}" for name, own in memory.items())
            print(f"    {done:8d} images  {sizes} MB", flush=True)
            printed.append(done + count // LINES)

    start = time.perf_counter()
    with Watch(0.5, tell):
        summary = predict_many(source, model, out)
    rate = count / (time.perf_counter() - start)
    if (summary.images, summary.errors) != (count, 0):
        sys.exit(summary.report())
    title = f"{source.name}: {count} tiny images, {rate:.0f} images/s"
    sides = dict(zip(("peak in the first tenth", "behind it"), peaks, strict=True))
    return Result(title, sides, "MB", peaks[1] - peaks[0], BOUND, is_ratio=False)


def main(words: Sequence[str]) -> None:
    """Print memory over time for as many tiny images as the first word says."""
    count = int(words[0])
    use_two_cores()
    with tempfile.TemporaryDirectory() as scratch:
        model, results = write_tiny(Path(scratch, "model")), []
        for write, name in ((write_folder, "folder"), (write_records, "x.tfrecord")):
            print(f"  {count} tiny images, {name}", flush=True)
            source = write(Path(scratch, name), count)
            out = Path(scratch, f"{source.stem}-answers")
            results.append(over_time(source, model, out, count))
    print(table(results))
    if not all(result.ok for result in results):
        sys.exit("missed")


if __name__ == "__main__":
    main(sys.argv[1:])

"""The whole way on small data: draw, train, evaluate, predict, export."""

import json
import shutil
from pathlib import Path

from hrnet_tf.common.text_files import write_json
from hrnet_tf.drawn.action_folders import write_class_folders
from hrnet_tf.drawn.figures import draw_data_set
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.benchmark import benchmark_run
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.loading import load
from hrnet_tf.export.names import require_packages
from hrnet_tf.tasks import make_viewer
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.media import predict_files
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import train

CONFIG = "pose/demo"
PICTURES = 12


def run_demo(out: str | Path) -> None:
    """Go the whole way and print one table at the end.

    What is there already (the data, finished epochs) is not made again.

    Args:
        out: folder for everything; holds `data/`, `run/` and `predictions/` afterwards.

    Raises:
        InputError: if `out` holds a run with other settings, or a package that exports
            need is not installed.
    """
    require_packages(FORMATS)
    out = Path(out)
    data, folder = out / "data", out / "run"
    print(f"1/5  drawing figures in {data}")
    draw_data_set(data)
    write_class_folders(data, data / "classes")
    print("2/5  training")
    run = train(read_config(CONFIG, [f"output={folder}", *_settings(data)]))
    print("3/5  evaluating on unseen images")
    evaluation, _ = evaluate_run(run.folder)
    print(evaluation.table())
    print("4/5  drawing predictions")
    pictures = draw_predictions(run, out / "predictions")
    print("5/5  exporting, each format compared with the model in a process of its own")
    export_run(run.folder, tuple(FORMATS))
    measured, _ = benchmark_run(run.folder)
    print()
    print(measured.table())
    print()
    print(f"look at    {pictures}")
    print(f"           {run.folder / 'curves.png'}, {run.folder / 'overlays'}")
    print(f"           tensorboard --logdir {run.folder / 'logs'}")
    print(
        f"exported   {run.folder / 'export'}; for TensorFlow Serving {run.folder / '1'}"
    )
    print(f"measured   {run.folder / 'benchmark'}")
    print(f"in Python  hrnet_tf.load({str(run.folder)!r}).predict(image)")


def draw_predictions(run: Run, folder: Path) -> Path:
    """Predict on some validation images, with the annotated people as boxes."""
    section = run.config.data.validation
    annotations = json.loads(Path(section.annotations).read_text())
    names = {
        image["id"]: image["file_name"] for image in annotations["images"][:PICTURES]
    }
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "images"
    source.mkdir(parents=True)
    for name in names.values():
        shutil.copy(Path(section.images) / name, source / name)
    found = [
        a
        for a in annotations["annotations"]
        if "keypoints" in a and a["image_id"] in names
    ]
    boxes = [{key: a[key] for key in ("image_id", "bbox")} for a in found]
    write_json(folder / "boxes.json", boxes)
    predictor, target = load(run.folder), folder / "drawn"
    viewer = make_viewer(
        predictor, boxes=folder / "boxes.json", annotations=section.annotations
    )
    predict_files(viewer, source, target)
    return target


def _settings(data: Path) -> list[str]:
    return [
        f"data.{part}.{key}={data / path}"
        for part, split in (("train", "train"), ("validation", "val"))
        for key, path in (
            ("annotations", f"annotations/person_keypoints_{split}.json"),
            ("images", f"images/{split}"),
        )
    ]

"""The whole way on small data: draw, train, evaluate, predict, export."""

import shutil
from pathlib import Path
from typing import cast

from hrnet_tf.drawn.action_folders import write_class_folders
from hrnet_tf.drawn.figures import draw_data_set
from hrnet_tf.export.artefacts import export_run
from hrnet_tf.export.benchmark import benchmark_run
from hrnet_tf.export.loading import load
from hrnet_tf.export.names import ALL, require_packages
from hrnet_tf.tasks import DEFAULT, TASKS, make_viewer
from hrnet_tf.tasks.base.task import Demo
from hrnet_tf.training.configs import read_config
from hrnet_tf.training.evaluate import evaluate_run
from hrnet_tf.training.media import predict_files
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import train

CONFIG = f"{DEFAULT}/demo"


def run_demo(out: str | Path) -> None:
    """Go the whole way and print one table at the end.

    What is there already (the data, finished epochs) is not made again.

    Args:
        out: folder for everything; holds `data/`, `run/` and `predictions/` afterwards.

    Raises:
        InputError: if `out` holds a run with other settings, or a package that exports
            need is not installed.
    """
    require_packages([ALL])
    out = Path(out)
    data, folder = out / "data", out / "run"
    print(f"1/5  drawing figures in {data}")
    draw_data_set(data)
    write_class_folders(data, data / "classes")
    print("2/5  training")
    demo = cast(Demo, TASKS[DEFAULT].parts().demo)
    run = train(read_config(CONFIG, [f"output={folder}", *demo.settings(data)]))
    print("3/5  evaluating on unseen images")
    evaluation, _ = evaluate_run(run.folder)
    print(evaluation.table())
    print("4/5  drawing predictions")
    pictures = draw_predictions(run, demo, out / "predictions")
    print("5/5  exporting, each format compared with the model in a process of its own")
    export_run(run.folder, [ALL])
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


def draw_predictions(run: Run, demo: Demo, folder: Path) -> Path:
    """Predict on some validation images, with what the task's viewer is given."""
    shutil.rmtree(folder, ignore_errors=True)
    source, options = demo.pictures(run.config, folder)
    target = folder / "drawn"
    predict_files(make_viewer(load(run.folder), **options), source, target)
    return target

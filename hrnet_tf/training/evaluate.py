"""A run's best weights, judged on its validation data."""

from dataclasses import asdict
from pathlib import Path

from hrnet_tf.common.files import write_text, writing_together
from hrnet_tf.common.free_names import place_for
from hrnet_tf.common.hashing import sha256_of
from hrnet_tf.common.text_files import write_json
from hrnet_tf.tasks import open_experiment, read_manifest
from hrnet_tf.tasks.base.experiment import Evaluation
from hrnet_tf.tasks.base.manifest import versions
from hrnet_tf.training.run import Run


def evaluate_run(
    folder: str | Path, overrides: tuple[str, ...] = (), progress: bool = True
) -> tuple[Evaluation, Path]:
    """Judge a run's best weights on its validation data.

    Args:
        folder: the run.
        overrides: `key=value` settings that win over the run's, such as
            `data.validation.boxes=detections.json` or `evaluate.refinement=dark`.
        progress: whether to show a bar.

    Returns:
        The evaluation, and the JSON file it was written to: `evaluations/` in the run's
        folder, under a name that tells its settings, with a number where an evaluation
        of other data or settings has that name. A text table and what else the
        task gives (a COCO result file; a confusion matrix) lie beside it.

    Raises:
        InputError: if the run, its data or the settings are no good.
    """
    run = Run.open(folder, overrides)
    experiment = open_experiment(run.config)
    evaluator = experiment.evaluator(read_manifest(run.manifest))
    predictor = experiment.predictor.from_model(run.model(), evaluator.manifest)
    evaluation = evaluator.evaluate(predictor, progress)
    told_apart_by = {
        "data": asdict(run.config.data),
        "settings": asdict(run.config.evaluate),
        "seed": run.config.seed,  # says who is held out
    }
    name = run.folder / "evaluations" / f"{evaluator.name}.json"
    target = place_for(name, told_apart_by)
    facts = {
        **evaluation.facts(),
        **told_apart_by,
        "weights": str(run.best),
        "weights_sha256": sha256_of(run.best),
        "versions": versions(),
    }
    with writing_together(target) as partial:
        write_json(partial, facts)
        write_text(partial.with_suffix(".txt"), evaluation.table() + "\n")
        evaluation.write_details(partial)
    return evaluation, target

"""All exports of a run side by side: how large, how fast, how good."""

import contextlib
import dataclasses
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from hrnet_tf.common.errors import InputError
from hrnet_tf.common.extras import require_runtime
from hrnet_tf.common.files import write_text, writing_together
from hrnet_tf.common.free_names import place_for
from hrnet_tf.common.progress import progress_bar
from hrnet_tf.common.text_files import write_json
from hrnet_tf.export.artefacts import exports_of
from hrnet_tf.export.card_files import SEALS, refresh_cards
from hrnet_tf.export.compare import differences, shares_of_range
from hrnet_tf.export.integrity import beside, check_unchanged, files_of
from hrnet_tf.export.loading import of_export, open_predictor
from hrnet_tf.export.processes.runtimes import FROZEN_WEIGHTS, open_artefact
from hrnet_tf.export.signatures import decode, decoder_of, outputs_of
from hrnet_tf.images.plots import draw_flavours
from hrnet_tf.tasks import check_known_elsewhere, open_experiment, read_manifest
from hrnet_tf.tasks.base.manifest import TaskManifest, versions
from hrnet_tf.training.configs import folder_key
from hrnet_tf.training.run import Run

logger = logging.getLogger(__name__)

BATCH = 8  # images, for the throughput
CALLS = 5  # of one image, in each round
PAUSE = 0.05  # seconds: onnxruntime's threads spin for a while after each call
MODEL = "keras"  # the row of the model itself


@dataclass(frozen=True)
class Flavour:
    """One row: an export, or the Keras model itself.

    Attributes:
        format: a name from `hrnet_tf.export.formats.FORMATS`, or `MODEL`.
        megabytes: its size, in 10^6 bytes.
        load_seconds: from nothing to the first answer, the runtime's import included.
        median_ms: of one image, in milliseconds.
        p95_ms: what 95 of 100 calls do not exceed.
        images_per_second: in batches of `BATCH`.
        peak_megabytes: the most memory its process had.
        score: the task's metric on the validation data, one look an image; None: the
            data went missing.
        largest: difference from the Keras model's answers, as a share of their range.
        mean: the same, on average.
    """

    format: str
    megabytes: float
    load_seconds: float
    median_ms: float
    p95_ms: float
    images_per_second: float
    peak_megabytes: float
    score: float | None
    largest: float
    mean: float


@dataclass(frozen=True)
class Benchmark:
    """What came out.

    Attributes:
        flavours: a row each, the model first.
        metric: what the scores are.
        threads: of the CPU, that each flavour had.
        samples: how many validation samples the scores are from.
    """

    flavours: tuple[Flavour, ...]
    metric: str
    threads: int
    samples: int

    def table(self) -> str:
        """A line for each flavour."""
        lines = [
            f"{'format':<20}{'MB':>7}{'load s':>8}{'ms':>8}{'p95':>8}{'img/s':>8}"
            f"{'peak MB':>9}{self.metric:>10}{'largest':>10}{'mean':>9}"
        ]
        for row in self.flavours:
            score = "none" if row.score is None else f"{row.score:.4f}"
            lines.append(
                f"{row.format:<20}{row.megabytes:>7.1f}{row.load_seconds:>8.2f}"
                f"{row.median_ms:>8.2f}{row.p95_ms:>8.2f}{row.images_per_second:>8.1f}"
                f"{row.peak_megabytes:>9.0f}{score:>10}{row.largest:>10.1e}"
                f"{row.mean:>9.1e}"
            )
        lines.append(
            f"{self.threads} threads, one image a call (img/s: {BATCH} a call); "
            f"{self.metric} on {self.samples} validation samples, not mirrored; "
            "differences are shares of the answers' range"
        )
        return "\n".join(lines)


def benchmark_run(
    folder: str | Path,
    formats: Sequence[str] | None = None,
    threads: int | None = None,
    rounds: int = 12,
    progress: bool = True,
    overrides: Sequence[str] = (),
) -> tuple[Benchmark, Path]:
    """Measure what a run has been exported to, beside the model itself.

    All flavours are open at once, each in a process of its own, and take turns, so that
    a busy moment of the machine meets all of them. The model's own score comes first,
    so that missing data are told before anything is timed; if they vanish while others
    are judged, what was measured is kept, without scores.

    Args:
        folder: the run; its exports are those in its folder.
        formats: names from `FORMATS`; None: all that have been exported.
        threads: of the CPU, for each flavour; None: all.
        rounds: how often each one has its turn.
        progress: whether to show bars.
        overrides: `key=value` settings that win over the run's, such as
            `data.root=FOLDER` (of some tasks `data.validation.images=FOLDER`) where
            the data have been moved.

    Returns:
        The results, and the JSON file they were written to: `benchmark/` in the run's
        folder. A text table and a picture, score against latency, lie beside it.

    Raises:
        InputError: if the run has no exports, or not those, they are not what was
            exported, or the run's data are missing; or if only this process knows the
            run's task.
    """
    run = Run.open(folder, tuple(overrides))
    check_known_elsewhere(run.config.task)
    artefacts = _chosen(run, formats)
    threads = threads or os.cpu_count() or 1
    manifest = read_manifest(run.manifest)
    crops = run.read_samples()["crops"]
    crops = np.resize(crops, (BATCH, *crops.shape[1:]))
    images = manifest.input.normalised(crops).numpy()
    places = {MODEL: run.folder, **artefacts}

    def score_of(name: str) -> float:
        if progress:
            logger.info("%s of %s", judge.monitor, name)
        return judge.score(None if name == MODEL else places[name], progress)

    try:
        judge = Judge(run, manifest, images)
        scores: dict[str, float | None] = {MODEL: score_of(MODEL)}
    except InputError as error:
        raise InputError(
            f"The validation data of {run.folder} cannot be judged, so nothing was "
            f"measured: {error} If they have been moved, say where they are with "
            f"key=value settings, such as {folder_key(run.config)}=FOLDER."
        ) from error
    times = measure_latency(places, images, threads, rounds, progress)
    flavours = []
    for name, path in places.items():
        if name not in scores:
            try:
                scores[name] = score_of(name)
            except InputError as error:
                logger.warning("%s has no score: %s", name, error)
                scores[name] = None
        file = run.best if name == MODEL else path
        differences = judge.differences(None if name == MODEL else path)
        measured = {**times[name], **differences}
        flavours.append(Flavour(name, _megabytes(file), score=scores[name], **measured))
    found = Benchmark(tuple(flavours), judge.monitor, threads, len(judge.evaluator))
    seals = {name: _seal(path) for name, path in artefacts.items()}
    target = _write(found, run, seals)
    refresh_cards(run)
    return found, target


def _chosen(run: Run, formats: Sequence[str] | None) -> dict[str, Path]:
    found = exports_of(run)
    if not found:
        raise InputError(
            f"{run.folder} has no exports to measure; write some with `hrnet-tf export "
            f"{run.folder} --format all`."
        )
    if missing := [name for name in formats or () if name not in found]:
        raise InputError(
            f"{run.folder} has no export {missing[0]}, only {', '.join(found)}; write "
            f"it with `hrnet-tf export {run.folder} --format {missing[0]}`."
        )
    chosen = {name: found[name] for name in formats or found}
    for path in chosen.values():
        require_runtime(path)
        check_unchanged(path, beside(path, ".json"))
    return chosen


def measure_latency(
    places: Mapping[str, Path],
    images: np.ndarray,
    threads: int,
    rounds: int,
    progress: bool,
) -> dict[str, dict[str, float]]:
    """Times and memory of artefacts, and of runs, in processes that take turns.

    Args:
        places: their paths, by name.
        images: normalised, float32 `(BATCH, height, width, 3)`.
        threads: of the CPU, for each.
        rounds: how often each one has its turn.
        progress: whether to show a bar.

    Returns:
        For each the fields of `Flavour` that tell of time and memory.
    """
    singles: dict[str, list[float]] = {name: [] for name in places}
    batches: dict[str, list[float]] = {name: [] for name in places}
    peaks, loads = {}, {}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        np.save(Path(folder) / "images.npy", images)
        workers = {}
        for name, path in places.items():
            worker = Worker(path, Path(folder) / "images.npy", threads)
            workers[name] = stack.enter_context(contextlib.closing(worker))
            loads[name] = worker.load_seconds
        for _ in progress_bar(
            range(rounds), shown=progress, desc="latency", unit="round"
        ):
            for name, worker in workers.items():
                time.sleep(PAUSE)
                answer = worker.ask(CALLS)
                singles[name] += answer["single"]
                batches[name].append(answer["batch"])
                peaks[name] = answer["peak"]
    return {
        name: {
            "load_seconds": loads[name],
            "median_ms": 1000 * statistics.median(singles[name]),
            "p95_ms": 1000 * float(np.percentile(singles[name], 95)),
            "images_per_second": len(images) / statistics.median(batches[name]),
            "peak_megabytes": peaks[name] / 1e6,
        }
        for name in places
    }


class Worker:
    """A process that has an artefact open; see `measure.py`."""

    def __init__(self, path: Path, images: Path, threads: int):
        self.path = path
        script = Path(__file__).parent / "processes" / "measure.py"
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(path), str(images), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **FROZEN_WEIGHTS, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.questions = cast(IO[str], self.process.stdin)
        self.answers = cast(IO[str], self.process.stdout)
        self.load_seconds = self._read()["load"]

    def ask(self, calls: int) -> dict[str, Any]:
        """Seconds of so many single calls and of one batch, and the memory so far."""
        self.questions.write(f"{calls}\n")
        self.questions.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self.answers.readline()
        if not line:
            status = self.process.wait()
            self.close()
            raise InputError(
                f"{self.path} does not run: its process ended with status {status}. "
                f"`hrnet-tf verify {self.path}` may tell why."
            )
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


class Judge:
    """Scores of flavours on a run's validation data, and how far off they answer."""

    def __init__(self, run: Run, manifest: TaskManifest, images: np.ndarray):
        config: Any = run.config
        plain = {"flip": False, "scales": (1.0,)}
        fields = {field.name for field in dataclasses.fields(config.evaluate)}
        settings = {key: value for key, value in plain.items() if key in fields}
        evaluate = dataclasses.replace(config.evaluate, **settings)
        experiment = open_experiment(dataclasses.replace(config, evaluate=evaluate))
        self.evaluator = experiment.evaluator(manifest)
        self.monitor = self.evaluator.monitor
        self.predictor = experiment.predictor
        self.manifest, self.images, self.model = manifest, images, run.model()
        self.answer = self.model(images, training=False)

    def score(self, path: Path | None, progress: bool) -> float:
        """The task's metric of an artefact; None: of the model."""
        manifest = self.evaluator.manifest
        if path is None:
            predictor = self.predictor.from_model(self.model, manifest)
        else:
            facts = read_manifest(beside(path, ".json"))
            predictor = open_predictor(path, of_export(manifest, facts))
        found = self.evaluator.evaluate(predictor, progress)
        return float(found.statistics[self.monitor])

    def differences(self, path: Path | None) -> dict[str, float]:
        """The largest and the mean, as shares of the range of the model's answers."""
        if path is None:
            return {"largest": 0.0, "mean": 0.0}
        found = open_artefact(path)(self.images)
        wanted = outputs_of(self.answer, self.manifest)
        if wanted.keys() != found.keys():
            wanted = decode(self.answer, self.manifest)
        expected = {name: value.numpy() for name, value in wanted.items()}
        if decoder_of(self.manifest).differences is not None:
            told = list(differences(self.manifest, expected, found).values())
            return {"largest": max(told), "mean": statistics.mean(told)}
        shares = [shares_of_range(x, found[name]) for name, x in expected.items()]
        return {
            "largest": max(float(share.max()) for share in shares),
            "mean": statistics.mean(float(share.mean()) for share in shares),
        }


def _seal(path: Path) -> str:
    """What tells an artefact from those that were exported before or after."""
    artefact = read_manifest(beside(path, ".json")).artefact
    return artefact.seal if artefact is not None else ""


def _write(found: Benchmark, run: Run, seals: Mapping[str, str]) -> Path:
    told_apart_by = {
        "formats": [row.format for row in found.flavours],
        "threads": found.threads,
    }
    target = place_for(run.folder / "benchmark" / "benchmark.json", told_apart_by)
    told = {**dataclasses.asdict(found), **told_apart_by}
    facts = {**told, SEALS: dict(seals), "versions": versions()}
    with writing_together(target) as partial:
        write_json(partial, facts)
        write_text(partial.with_suffix(".txt"), found.table() + "\n")
        draw_flavours(
            {
                row.format: (row.median_ms, row.score)
                for row in found.flavours
                if row.score is not None
            },
            f"one image, {found.threads} threads (ms)",
            found.metric,
            partial.with_suffix(".png"),
        )
    return target


def _megabytes(path: Path) -> float:
    return sum(file.stat().st_size for file in files_of(path)) / 1e6

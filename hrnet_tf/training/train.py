"""A configuration to a trained run: data, model, optimizer, callbacks, fit."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.common.arrays import DAMAGES, write_arrays
from hrnet_tf.common.compat import (
    build_losses,
    build_optimizer,
    load_legacy_optimizer,
    seeded_dropout,
)
from hrnet_tf.common.components import find
from hrnet_tf.common.config import Component, TrainSection
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.messages import keep_in
from hrnet_tf.common.progress import moves
from hrnet_tf.common.run_lock import training_in
from hrnet_tf.networks.batch_norm import synchronize
from hrnet_tf.networks.fine_tuning import freeze_body, freeze_layers
from hrnet_tf.networks.recomputation import recompute
from hrnet_tf.tasks import open_experiment
from hrnet_tf.tasks.base.experiment import Evaluator, Experiment, answering
from hrnet_tf.tasks.base.manifest import TaskManifest
from hrnet_tf.training.callbacks import (
    AveragedWeights,
    Board,
    Chance,
    Curves,
    EpochLog,
    StaysFinite,
    Validation,
    forget_epochs,
    network_in,
)
from hrnet_tf.training.cluster import Alone, Cluster, join
from hrnet_tf.training.configs import Config
from hrnet_tf.training.hosts import AUTO, find_hosts
from hrnet_tf.training.recipe import make_optimizer, steps_in_epoch
from hrnet_tf.training.run import Run
from hrnet_tf.training.states import BestNetwork, Better, States, WholeState
from hrnet_tf.training.waiting import DataWait

logger = logging.getLogger(__name__)


def train(config: Config, cluster: str = AUTO, workers: int | None = None) -> Run:
    """Train a network, or go on where the same training was interrupted.

    Args:
        config: the experiment; `config.output` is the run's folder.
        cluster: which processes train together, on one host or many; see
            `hrnet_tf.training.hosts.find_hosts`. By itself: those of TF_CONFIG, or of
            a step of Slurm.
        workers: how many they must be; None: as many as there are.

    Returns:
        The run: `config.yaml`, `manifest.json`, `history.csv`, `curves.png`,
        `checkpoints/best.keras` (the network) and `checkpoints/epoch_*.keras` (the
        whole state), `overlays/`, and `logs/` for TensorBoard.

    Raises:
        InputError: if the configuration or the data are no good, or the folder holds
            something else.

    Example:
        ```python
        run = train(read_config("configs/pose/demo.yaml", ["train.epochs=2"]))
        pose = hrnet_tf.load(run.folder).predict(image)
        ```
    """
    hosts = find_hosts(cluster, workers)
    if hosts is not None:
        limit_threads(config.train)  # before there is anything to compute
    joined = join(hosts, config.train)
    with joined.losses_explained(config.output):
        return train_with(joined, config)


def train_with(cluster: Alone | Cluster, config: Config) -> Run:
    """Train as one of several processes, or alone; see `train`.

    Args:
        cluster: who trains together.
        config: the experiment.
    """
    run = Run.prepare(config)
    cluster.agree(run)
    with contextlib.ExitStack() as held:
        if cluster.chief and run.folder.is_dir():
            held.enter_context(training_in(run.folder))
            run = Run.prepare(config)  # another training may just have ended in it
        _, done = run.last()
        if done >= config.train.epochs:
            logger.info("%s is finished (%d epochs)", run.folder, done)
            return run
        _train(run, held, cluster)
    return run


def _train(run: Run, held: contextlib.ExitStack, cluster: Alone | Cluster) -> None:
    """Train; `held` keeps the folder, which is made once all is found to be good."""
    config, (_, done) = run.config, run.last()
    limit_threads(config.train)
    experiment = open_experiment(config)
    manifest = experiment.make_manifest()
    data, evaluator = experiment.training_data(manifest), experiment.evaluator(manifest)
    logger.info("%d training samples, %d to validate", len(data), len(evaluator))
    with data.errors_explained():
        data.check()
    evaluator.check()
    best_so_far = None
    if cluster.chief:
        best_so_far = forget_epochs(
            run.history, done, monitor(evaluator), better(evaluator)
        )

    steps = steps_in_epoch(config.train, len(data))
    count = steps * config.train.accumulate
    epochs = range(done, config.train.epochs)
    wait = DataWait(count, cache=getattr(config.data, "cache", "") is None)
    size = config.train.batch_size
    batches = cluster.batches(data, epochs, count, size, wait.noted)
    keras.utils.set_random_seed(config.seed + done)
    model = prepare_model(run, experiment, manifest, steps, cluster.strategy)
    states = States(run)
    callbacks: list[keras.callbacks.Callback] = [
        Chance(config.seed),
        wait,
        StaysFinite(run, states),
    ]
    if best_so_far is not None:
        begin(run, held, manifest, evaluator)
        callbacks += cluster.by_chief(
            make_callbacks(run, experiment, evaluator, model, best_so_far, states)
        )
    cluster.see(run.folder)
    if config.train.accumulate > 1:
        together = config.train.batch_size * config.train.accumulate
        logger.info(
            "%d batches an epoch, %d for each step: as with train.batch_size=%d",
            count,
            config.train.accumulate,
            together,
        )
    logger.info("%s at epoch %d of %d", run.folder, done, config.train.epochs)
    shown = "auto" if moves(sys.stdout) else 2  # a line an epoch
    with contextlib.ExitStack() as training:
        training.enter_context(cluster.training())
        training.enter_context(data.errors_explained())
        if cluster.chief:
            training.enter_context(run.no_partial_files())
        training.enter_context(states)
        model.fit(
            batches,
            initial_epoch=done,
            epochs=config.train.epochs,
            steps_per_epoch=count,
            shuffle=False,  # the batches are random as they come
            verbose=shown if cluster.chief else 0,
            callbacks=callbacks,
        )


def begin(
    run: Run, held: contextlib.ExitStack, manifest: TaskManifest, evaluator: Evaluator
) -> None:
    """Make the run's folder with what stands in it before the first epoch.

    Args:
        run: what is trained.
        held: keeps the folder.
        manifest: its facts.
        evaluator: has samples to check exports on.

    Raises:
        InputError: if another training has taken the folder.
    """
    samples = evaluator.samples()
    if not run.folder.is_dir():
        run.folder.mkdir(parents=True, exist_ok=True)
        held.enter_context(training_in(run.folder))
        if run.settings.is_file():
            raise InputError(
                f"{run.folder} was taken by another training meanwhile; choose another "
                "output=FOLDER."
            )
    run.create(manifest)
    keep_in(run.folder)
    write_arrays(run.samples, samples)


def prepare_model(
    run: Run,
    experiment: Experiment,
    manifest: TaskManifest,
    steps: int,
    strategy: tf.distribute.Strategy | None = None,
) -> keras.Model:
    """The model to train: a new one, or the one that was interrupted.

    Args:
        run: what to train.
        experiment: what it does.
        manifest: its facts.
        steps: changes of weights in an epoch.
        strategy: of several processes; None: of the devices of this one.

    Returns:
        A compiled model from uint8 images; the network is its last layer.
    """
    settings = run.config.train
    if strategy is None:
        strategy = choose_strategy(settings)
    replicas = strategy.num_replicas_in_sync
    if settings.batch_size % replicas:
        raise InputError(
            f"`train.batch_size` must be a multiple of the {replicas} devices, got "
            f"{settings.batch_size}."
        )
    last, _ = run.last()
    for component, key in _components(run.config):
        find(component, key)  # importing it also tells Keras how to load it
    seeded_dropout()
    with strategy.scope(), precision(settings.precision):
        compile_settings = experiment.compile_settings(manifest)
        if last is not None:
            model = load_state(last)
            optimizer = model.optimizer
            if replicas > 1 and run.config.model.normalization is None:
                synchronize(network_in(model))
        else:
            network = experiment.build_network(
                manifest, run.config.model.weights, synchronized=replicas > 1
            )
            model = experiment.training_model(network)
            if settings.freeze_body:
                freeze_body(network_in(model))
            freeze_layers(network_in(model), settings.freeze_layers)
            optimizer = make_optimizer(settings, steps, replicas)
        if settings.recompute:
            recompute(network_in(model))
        xla = _uses_xla(settings, replicas)
        # A loaded model too: not every loss of Keras is saved with its arguments.
        model.compile(optimizer, **compile_settings, jit_compile=xla)
        # Variables that a step makes while it is traced have it traced twice.
        build_optimizer(model)
        build_losses(model)
    if xla:
        logger.info(
            "XLA compiles the first step, for a minute or two; steps are faster then "
            "(train.xla=false begins at once)"
        )
    return model


def load_state(path: Path) -> keras.Model:
    """The model of a training's last state, with its optimizer.

    Raises:
        InputError: if a file of it is damaged.
    """
    try:
        model = keras.models.load_model(str(path))
        load_legacy_optimizer(model, path.with_suffix(".npz"))
    except (PermissionError, MemoryError):
        raise
    except (*DAMAGES, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        before = sorted(path.parent.glob("epoch_[0-9]*[0-9].keras"))[:-1]
        then = f"from {before[-1].name}" if before else "anew"
        raise InputError(
            f"{path}, the last state of the training, is damaged ({reason}). Copy it "
            f"from where there is a whole one, or remove it: the same command begins "
            f"{then} then, and best.keras stays until there is a better one."
        ) from None
    return model


def limit_threads(settings: TrainSection) -> None:
    """Set how many CPU threads work on one operation, if the configuration says it."""
    if settings.operation_threads is None:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(settings.operation_threads)
    except RuntimeError:
        logger.warning(
            "`train.operation_threads` is %d, but TensorFlow has computed something in "
            "this process already and keeps its threads",
            settings.operation_threads,
        )


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """What is built and compiled in here has this Keras dtype policy."""
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


def choose_strategy(settings: TrainSection) -> tf.distribute.Strategy:
    """Mirrored over several devices, or none."""
    count = len(tf.config.list_logical_devices("GPU"))
    devices = list(settings.devices or (f"GPU:{number}" for number in range(count)))
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()


def make_callbacks(
    run: Run,
    experiment: Experiment,
    evaluator: Evaluator,
    model: keras.Model,
    best_so_far: float,
    states: States,
) -> list[keras.callbacks.Callback]:
    """What writes the run, in this order; see `hrnet_tf.training.callbacks`."""
    settings = run.config.train
    network = network_in(model)
    predictor = experiment.predictor.from_training(
        answering(network, evaluator.manifest.output.name),
        evaluator.manifest,
    )
    score = monitor(evaluator)
    judged: list[Any] = [
        Validation(evaluator, predictor, run.folder, settings.validate_every, score),
        BestNetwork(states, network, score, best_so_far, better(evaluator)),
    ]
    if settings.ema is not None:
        swap = AveragedWeights()
        judged = [swap, *judged, swap]
    return [
        *judged,
        Board(str(run.folder / "logs"), write_graph=False),
        EpochLog(run.history, score, states),
        Curves(run),
        WholeState(states),
    ]


def monitor(evaluator: Evaluator) -> str:
    """What the best weights' score is called in the logs."""
    return f"val_{evaluator.monitor}"


def better(evaluator: Evaluator) -> Better:
    """Whether the highest or the lowest score tells the best weights."""
    return getattr(evaluator, "better", "max")


def _uses_xla(settings: TrainSection, replicas: int) -> bool:
    """XLA is for a single GPU; on a CPU it is slower (1.4 to 2.6 times, measured)."""
    if settings.xla is not None:
        return settings.xla
    return replicas == 1 and bool(tf.config.list_logical_devices("GPU"))


def _components(config: Config) -> Iterator[tuple[Component, str]]:
    yield config.train.optimizer, "train.optimizer"
    for component, key in (
        (config.train.loss, "train.loss"),
        (config.model.normalization, "model.normalization"),
        (config.model.activation, "model.activation"),
    ):
        if component is not None:
            yield component, key

"""A configuration to a trained run: data, model, optimizer, callbacks, fit."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from hrnet_tf.callbacks import (
    AveragedWeights,
    BestNetwork,
    Publish,
    Validation,
    forget_epochs,
    network_in,
    sample_crops,
)
from hrnet_tf.compat import load_legacy_optimizer, optimizer_averages_weights
from hrnet_tf.components import create, find
from hrnet_tf.config import Component, PoseConfig, TrainSection
from hrnet_tf.data.coco import CocoKeypoints
from hrnet_tf.data.people import People
from hrnet_tf.data.pipeline import CropReader, random_epochs, training_batches
from hrnet_tf.errors import InputError
from hrnet_tf.evaluate import Evaluator
from hrnet_tf.labels import KeypointSet
from hrnet_tf.losses import KeypointLoss
from hrnet_tf.manifest import Manifest
from hrnet_tf.metrics.keypoints import KeypointAccuracy
from hrnet_tf.predict import PosePredictor
from hrnet_tf.preprocess import MEAN, STD
from hrnet_tf.run import Run, write_arrays
from hrnet_tf.tasks import build_pose_model

logger = logging.getLogger(__name__)


def train(config: PoseConfig) -> Run:
    """Train a top-down pose network, or go on where the same training was interrupted.

    Args:
        config: the experiment; `config.output` is the run's folder.

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
    run = Run.prepare(config)
    _, done = run.last()
    if done >= config.train.epochs:
        logger.info("%s is finished (%d epochs)", run.folder, done)
        return run
    manifest = run.make_manifest()
    people = CocoKeypoints(
        config.data.train, manifest.keypoints, config.data.on_error
    ).annotated()
    evaluator = Evaluator(config.data, config.evaluate, manifest)
    logger.info(
        "training on %d people, validating on %d", len(people), len(evaluator.people)
    )

    steps = config.train.steps_per_epoch or -(-len(people) // config.train.batch_size)
    epochs = range(done, config.train.epochs)
    reader = CropReader(people, config.model.size, config.data.on_error)
    batches = make_batches(config, reader, manifest.keypoints, epochs, steps)
    keras.utils.set_random_seed(config.seed + done)
    model = prepare_model(run, manifest, steps)
    samples = sample_people(evaluator)
    run.create()
    write_arrays(run.samples, samples)
    best_so_far = forget_epochs(run.history, done)
    logger.info("%s at epoch %d of %d", run.folder, done, config.train.epochs)
    with reader.errors_explained():
        model.fit(
            batches,
            initial_epoch=done,
            epochs=config.train.epochs,
            steps_per_epoch=steps,
            shuffle=False,  # the batches are random as they come
            callbacks=make_callbacks(run, evaluator, network_in(model), best_so_far),
        )
    return run


def make_batches(
    config: PoseConfig,
    reader: CropReader,
    keypoint_set: KeypointSet,
    epochs: range,
    steps: int,
) -> tf.data.Dataset:
    """Random crops and their keypoints for some epochs of so many steps."""
    data, settings = config.data, config.train
    epoch = random_epochs(
        weighted(reader.people, keypoint_set)
        if settings.keypoint_weights
        else reader.people,
        keypoint_set,
        data.augmentation,
        (config.model.size, data.padding),
        steps * settings.batch_size,
        config.seed,
    )
    return training_batches(reader, epoch, epochs, settings.batch_size)


def weighted(people: People, keypoint_set: KeypointSet) -> People:
    """People whose keypoints weigh what the set says."""
    if not keypoint_set.weights:
        raise InputError(
            "`train.keypoint_weights` is true, but the keypoint set "
            f"{keypoint_set.name} has no `weights`."
        )
    keypoints = people.keypoints.copy()
    keypoints[..., 2] *= np.array(keypoint_set.weights)
    return replace(people, keypoints=keypoints)


def prepare_model(run: Run, manifest: Manifest, steps: int) -> keras.Model:
    """The model to train: a new one, or the one that was interrupted.

    Args:
        run: what to train.
        manifest: its facts.
        steps: an epoch.

    Returns:
        A compiled model from uint8 crops to heatmaps; the network is its last layer.
    """
    settings = run.config.train
    strategy = choose_strategy(settings)
    replicas = strategy.num_replicas_in_sync
    if settings.batch_size % replicas:
        raise InputError(
            f"`train.batch_size` must be a multiple of the {replicas} devices, got "
            f"{settings.batch_size}."
        )
    if settings.hardest_keypoints > len(manifest.keypoints):
        raise InputError(
            f"`train.hardest_keypoints` must be at most {len(manifest.keypoints)}, all "
            f"keypoints of {manifest.keypoints.name}, got {settings.hardest_keypoints}."
        )
    last, _ = run.last()
    for component, key in _components(run.config):
        find(component, key)  # importing it also tells Keras how to load it
    with strategy.scope(), precision(settings.precision):
        if last is not None:
            model = keras.models.load_model(str(last))
            load_legacy_optimizer(model, last.with_suffix(".npz"))
            optimizer = model.optimizer
        else:
            network = build_pose_model(
                run.config.model, len(manifest.keypoints), synchronized=replicas > 1
            )
            model = training_model(network, run.config)
            optimizer = make_optimizer(settings, steps)
        codec = manifest.codec
        loss = settings.loss and create(settings.loss, "train.loss")
        # A loaded model too: not every loss of Keras is saved with its arguments.
        model.compile(
            optimizer,
            loss=KeypointLoss(
                codec.stride, codec.sigma, settings.hardest_keypoints, loss
            ),
            metrics=[KeypointAccuracy(codec.stride)],
            jit_compile=_uses_xla(settings, replicas),
        )
    return model


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """What is built and compiled in here has this Keras dtype policy."""
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy("float32")


def training_model(network: keras.Model, config: PoseConfig) -> keras.Model:
    """Put in front of a network what raw crops need: colour changes, normalising."""
    augmentation = config.data.augmentation
    crops = keras.Input((*config.model.size, 3), dtype="uint8", name="crops")
    x = layers.Rescaling(1.0, dtype="float32", name="as_float")(crops)
    if augmentation.brightness:
        x = layers.RandomBrightness(
            augmentation.brightness, (0, 255), dtype="float32", name="brightness"
        )(x)
    if augmentation.contrast:
        x = layers.RandomContrast(
            augmentation.contrast, dtype="float32", name="contrast"
        )(x)
    variance = [value**2 for value in STD]
    x = layers.Normalization(
        mean=MEAN, variance=variance, dtype="float32", name="normalise"
    )(x)
    # A model inside another must not be compiled: its optimizer would be saved, unused.
    network = keras.Model(network.input, network.output, name=network.name)
    return keras.Model(crops, network(x), name="training")


def make_optimizer(settings: TrainSection, steps: int) -> keras.optimizers.Optimizer:
    """The configured optimizer, with schedule, clipping and averaging.

    Args:
        settings: the recipe.
        steps: an epoch.
    """
    first, factor = settings.learning_rate, settings.drop_factor
    drops = settings.drop_at
    rates = [first * factor**number for number in range(len(drops) + 1)]
    boundaries = [epoch * steps - 1 for epoch in drops]  # last steps with the old rate
    decay = keras.optimizers.schedules.PiecewiseConstantDecay
    more = {"learning_rate": decay(boundaries, rates) if drops else first}
    if settings.clip_norm is not None:
        more["global_clipnorm"] = settings.clip_norm
    if settings.ema is not None:
        if not optimizer_averages_weights(find(settings.optimizer, "train.optimizer")):
            raise InputError(
                f"`train.ema`: {settings.optimizer.class_path} cannot average weights; "
                "take an optimizer of Keras, or leave train.ema away."
            )
        more |= {"use_ema": True, "ema_momentum": settings.ema}
    return create(settings.optimizer, "train.optimizer", **more)


def choose_strategy(settings: TrainSection) -> tf.distribute.Strategy:
    """Mirrored over several devices, or none."""
    count = len(tf.config.list_logical_devices("GPU"))
    devices = list(settings.devices or (f"GPU:{number}" for number in range(count)))
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()


def make_callbacks(
    run: Run, evaluator: Evaluator, network: keras.Model, best_so_far: float
) -> list[keras.callbacks.Callback]:
    """Between epochs, in this order; see `hrnet_tf.callbacks`."""
    settings = run.config.train
    predictor = PosePredictor.from_training(network, evaluator.manifest)
    judged = [
        Validation(evaluator, predictor, run.folder, settings.validate_every),
        BestNetwork(run, best_so_far),
    ]
    if settings.ema is not None:
        swap = AveragedWeights()
        judged = [swap, *judged, swap]
    return [
        *judged,
        keras.callbacks.TensorBoard(str(run.folder / "logs"), write_graph=False),
        keras.callbacks.CSVLogger(str(run.history), append=True),
        keras.callbacks.ModelCheckpoint(str(run.state_file("{epoch:04d}.partial"))),
        Publish(run),
    ]


def sample_people(evaluator: Evaluator) -> dict[str, np.ndarray]:
    """Some real crops, and an image with its boxes, to check exports on."""
    people = evaluator.people
    here = np.flatnonzero(people.image_ids == people.image_ids[0])[:4]
    return {
        "crops": sample_crops(evaluator, 8),
        "image_bytes": np.fromfile(people.files[here[0]], np.uint8),
        "boxes": people.boxes[here],
    }


def _uses_xla(settings: TrainSection, replicas: int) -> bool:
    """XLA is for a single GPU; on a CPU it is slower (1.4 to 2.6 times, measured)."""
    if settings.xla is not None:
        return settings.xla
    return replicas == 1 and bool(tf.config.list_logical_devices("GPU"))


def _components(config: PoseConfig) -> Iterator[tuple[Component, str]]:
    yield config.train.optimizer, "train.optimizer"
    for component, key in (
        (config.train.loss, "train.loss"),
        (config.model.normalization, "model.normalization"),
        (config.model.activation, "model.activation"),
    ):
        if component is not None:
            yield component, key

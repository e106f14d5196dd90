"""What Keras's two lines need to train over several hosts; see `compat`."""

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import keras

from hrnet_tf.common.compat import KERAS_3
from hrnet_tf.common.errors import InputError

# Lines of Keras that `several_workers` was tried with.
TRIED = "2.15, 3.15"


@contextlib.contextmanager
def several_workers() -> Iterator[None]:
    """In here `fit` trains under `MultiWorkerMirroredStrategy`.

    Keras 2 does by itself. The trainer of Keras 3 fails in two places: it takes the
    mean of losses along an axis that they have not, and adds up images of all workers
    to look at the shape of a batch. Both are replaced while this lasts.

    Raises:
        InputError: if Keras is one that does otherwise there.

    Source: https://github.com/keras-team/keras/issues/20585.
    """
    if not KERAS_3:
        yield
        return
    trainer, owner = _keras_3_trainer()
    before = trainer.reduce_per_replica, owner._maybe_symbolic_build
    trainer.reduce_per_replica = _mean_over_workers
    owner._maybe_symbolic_build = _build_by_own_rows
    try:
        yield
    finally:
        trainer.reduce_per_replica, owner._maybe_symbolic_build = before


@contextlib.contextmanager
def read_by_one_worker() -> Iterator[None]:
    """In here one of several workers reads a model's variables without the others.

    Statistics of Keras 2's batch norm are the mean over workers, for which each read
    would wait for all of them; where it is synchronized each has the same already.
    """
    if KERAS_3:
        yield
        return
    from tensorflow.python.distribute.values import SyncOnReadVariable

    before = SyncOnReadVariable._get_cross_replica
    SyncOnReadVariable._get_cross_replica = lambda variable: variable._get_replica(0)
    try:
        yield
    finally:
        SyncOnReadVariable._get_cross_replica = before


def save_in_this_thread() -> None:
    """Let a thread save models in Keras's format, as the main one does.

    Keras 2 saves the first model of another thread so, and those after it otherwise.
    """
    if not KERAS_3:
        from keras.src.saving import saving_lib

        saving_lib._SAVING_V3_ENABLED.value = True


def _keras_3_trainer() -> tuple[Any, Any]:
    """The module and the class of Keras 3's trainer, as `several_workers` knows it."""
    try:
        from keras.src.backend.tensorflow import trainer

        owner = trainer.TensorFlowTrainer
        takes = [
            list(inspect.signature(function).parameters)
            for function in (trainer.reduce_per_replica, owner._maybe_symbolic_build)
        ]
        builds = inspect.signature(owner._symbolic_build).parameters
        known = (
            takes
            == [["values", "strategy", "reduction"], ["self", "iterator", "data_batch"]]
            and "data_batch" in builds
            and "reduce_per_replica(" in inspect.getsource(owner)
        )
    except (ImportError, AttributeError):
        known = False
    if not known:
        raise InputError(
            f"Keras {keras.__version__} trains otherwise than those that this package "
            f"can let train over several hosts ({TRIED}): install one of these, "
            "or train on one host."
        )
    return trainer, owner


def _mean_over_workers(values: Any, strategy: Any, reduction: str) -> Any:
    """What stands for `reduce_per_replica`: the same numbers on every worker."""
    if reduction not in ("auto", "mean"):  # of `predict`, where nothing fails
        raise NotImplementedError(f"several workers answer by means, not {reduction}")
    return keras.tree.map_structure(
        lambda value: strategy.reduce("MEAN", value, axis=None), values
    )


def _build_by_own_rows(
    model: Any, iterator: Any = None, data_batch: Any = None
) -> None:
    """What stands for `_maybe_symbolic_build`: it looks at this worker's rows."""
    strategy = model.distribute_strategy
    if iterator is not None:
        for _, _, batches in iterator:
            data_batch = next(batches)
            break
    own = keras.tree.map_structure(
        lambda x: strategy.experimental_local_results(x)[0], data_batch
    )
    with strategy.scope():
        model._symbolic_build(data_batch=own)

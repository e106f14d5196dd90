"""Official tensors into Keras models, by name: all or nothing."""

from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from hrnet_tf.common.compat import variable_leaf

# Keras's names for what PyTorch calls ...
LEAVES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


# The state of a dropout layer's random numbers, which is no weight.
SEED = "seed_generator_state"


def official_names(model: keras.Model) -> Iterator[tuple[str, tf.Variable]]:
    """Each variable of a model with its tensor's name in official checkpoints."""
    for layer in model.layers:
        for variable in layer.variables:
            leaf = variable_leaf(variable)
            if leaf != SEED:
                yield f"{layer.name}.{LEAVES.get(leaf, leaf)}", variable


def load_official(
    model: keras.Model, tensors: Mapping[str, np.ndarray], new: Sequence[str] = ()
) -> None:
    """Set every variable of a model from tensors under their official names.

    Args:
        model: a network of this package.
        tensors: arrays in PyTorch's layout by their names in the official checkpoint;
            `num_batches_tracked` counters are left alone.
        new: layers whose names begin so keep the weights that they have, where there
            are no tensors for them.

    Raises:
        ValueError: if a tensor is missing, left over, or of another shape. Nothing has
            been set then.

    Example:
        ```python
        model = hrnet_tf.HRNetV1(width=32)
        load_official(model, np.load("pose_hrnet_w32.npz"))
        ```
    """
    unused = {name for name in tensors if not name.endswith("num_batches_tracked")}
    layouts = {
        layer.name: layer.keras_layout
        for layer in model.layers
        if hasattr(layer, "keras_layout")
    }
    pairs, problems = [], []
    for name, variable in official_names(model):
        if name not in unused:
            if not any(f"{name}.".startswith(f"{layer}.") for layer in new):
                problems.append(f"{name} is missing")
            continue
        unused.discard(name)
        layout = layouts.get(name.rpartition(".")[0], keras_layout)
        value = layout(np.asarray(tensors[name]))
        if value.shape != tuple(variable.shape):
            problems.append(
                f"{name} gives {value.shape} where {tuple(variable.shape)} is needed"
            )
        elif value.dtype.kind in "biucSUMm":
            problems.append(f"{name} holds {value.dtype}, no floating-point numbers")
        pairs.append((variable, value))
    problems += [f"{name} has no place in the model" for name in sorted(unused)]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(
            f"The tensors do not fit the model {model.name}: "
            f"{'; '.join(problems[:5])}{more}."
        )
    for variable, value in pairs:
        variable.assign(value.astype(np.float32, copy=False))


def keras_layout(tensor: np.ndarray) -> np.ndarray:
    """PyTorch's layout to Keras's: (out, in, ...) to (..., in, out).

    A layer with another one has a method of this name.
    """
    if tensor.ndim == 4:
        return tensor.transpose(2, 3, 1, 0)
    return tensor.T if tensor.ndim == 2 else tensor

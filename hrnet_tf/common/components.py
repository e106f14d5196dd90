"""Optimizers, losses and layers from outside, by their import path."""

import difflib
import importlib
from typing import Any

from hrnet_tf.common.config import Component
from hrnet_tf.common.errors import InputError


def find(component: Component, key: str) -> Any:
    """Import what a configuration names.

    Args:
        component: `class_path` such as `keras.optimizers.AdamW`.
        key: the configuration's key, for errors.

    Raises:
        InputError: if it is no path, or the module cannot be imported or has no such
            name.
    """
    path = component.class_path
    module_name, _, name = path.rpartition(".")
    if not all(part.isidentifier() for part in (*module_name.split("."), name)):
        raise InputError(
            f"`{key}.class_path` must be an import path such as "
            f"keras.optimizers.AdamW, got {path!r}."
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        hint = ""
        if path.startswith("tensorflow_addons"):
            hint = " It is in the addons lane: pip install hrnet-tf[addons]."
        raise InputError(
            f"`{key}.class_path`: {path} cannot be imported: {error}.{hint}"
        ) from None
    if not hasattr(module, name):
        near = difflib.get_close_matches(name, dir(module), n=1, cutoff=0.0)
        hint = f"; did you mean {module_name}.{near[0]}?" if near else "."
        raise InputError(
            f"`{key}.class_path`: there is no {name} in {module_name}{hint}"
        )
    return getattr(module, name)


def create(component: Component, key: str, **more: Any) -> Any:
    """Make what a configuration names, with its arguments and `more`.

    Raises:
        InputError: if it cannot be found or does not take the arguments.
    """
    make = find(component, key)
    try:
        return make(**{**more, **component.arguments})
    except (TypeError, ValueError) as error:
        raise InputError(
            f"`{key}`: {component.class_path} does not take {component.arguments}: "
            f"{error}"
        ) from None

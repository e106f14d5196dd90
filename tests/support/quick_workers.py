"""An optimizer for configurations; who imports it as a worker of Ray trains quickly.

Networks have no blocks then, and steps are not traced.
"""

import contextlib

import ray
import tensorflow as tf

from hrnet_tf.optimizers import CoupledSGD
from support.networks import shallow_networks

__all__ = ["CoupledSGD"]

_held = contextlib.ExitStack()

# Not in the process of the tests, which may import this too.
if ray.is_initialized() and ray.get_runtime_context().get_actor_id():
    tf.config.run_functions_eagerly(True)
    _held.enter_context(shallow_networks())

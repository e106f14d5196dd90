"""First of all imports: Keras must run on TensorFlow."""

import os


def check_backend(name: str) -> None:
    """Raise an ImportError unless Keras runs on TensorFlow."""
    if name != "tensorflow":
        raise ImportError(
            "hrnet_tf needs Keras on TensorFlow, but Keras's backend is set to "
            f"{name!r}; set KERAS_BACKEND=tensorflow before Python starts."
        )


check_backend(os.environ.get("KERAS_BACKEND", "tensorflow"))

import keras  # noqa: E402  (with another backend it may not even import)

check_backend(keras.backend.backend())

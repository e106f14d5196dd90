"""The network itself inside graphs: what it is given is checked first."""

import tensorflow as tf

from hrnet_tf.images.in_graph import require
from hrnet_tf.images.limits import Limits
from hrnet_tf.tasks.base.manifest import TaskManifest


def checked_images(
    images: tf.Tensor, manifest: TaskManifest, limits: Limits
) -> tf.Tensor:
    """Normalised images that a network can look at.

    A server does not look at shapes, and operations that rely on them may end its
    process: a shape is known only behind what checks it.

    Args:
        images: what somebody sends.
        manifest: says the shape: `(n, height, width, 3)`.
        limits: what is refused; an image of the manifest's own size never is.

    Returns:
        The images. Where they are evaluated, the graph fails with InvalidArgument if
        they have another shape, no pixels, sides that the network does not take, or
        exceed the limits.
    """
    name = manifest.input.name
    images = tf.ensure_shape(images, (None, *manifest.input.shape, 3), name=name)
    count, height, width, _ = tf.unstack(tf.shape(images, tf.int64))
    checks = [
        require(
            # Of an empty batch TensorFlow's fused convolutions answer another shape.
            (count > 0) & (count <= limits.images),
            f"`{name}` must hold from 1 up to {limits.images} images, got {{}}.",
            count,
        )
    ]
    if manifest.input.any_size:
        trained = manifest.input.height * manifest.input.width
        pixels = max(limits.pixels, trained)
        # Each side too: a product of vast sides may be any number.
        fits = (height <= pixels) & (width <= pixels) & (height * width <= pixels)
        checks.append(
            require(
                (height > 0) & (width > 0) & fits,
                f"`{name}` has images of {{}}x{{}} pixels (width x height); from 1 up "
                f"to {pixels} in all are taken.",
                *(width, height),
            )
        )
        multiple = manifest.input.multiple
        least = max(multiple, manifest.input.least)
        whole = (height % multiple == 0) & (width % multiple == 0)
        checks.append(
            require(
                whole & (height >= least) & (width >= least),
                f"`{name}` has images of {{}}x{{}} pixels (width x height); each side "
                f"must be a multiple of {multiple}, and at least {least}.",
                *(width, height),
            )
        )
    with tf.control_dependencies(checks):
        return tf.identity(images)

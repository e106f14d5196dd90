"""RoIAlign as ONNX has it, in a graph of TensorFlow, which has not.

In its place stands an operation with the same inputs and another meaning; such a graph
is for `hrnet_tf.export.onnx` alone and is not run.
"""

from typing import Any

import tensorflow as tf

STANDS_FOR = "CropAndResize"  # the operation; no graph that is exported has another one


def as_onnx_does(
    values: tf.Tensor, regions: tf.Tensor, images: tf.Tensor, side: int
) -> tf.Tensor:
    """RoIAlign with half-pixel positions and as many samples as a region has cells.

    Args:
        values: a map, float32 `(batch, height, width, channels)`.
        regions: float32 `(n, 4)`: x1, y1, x2, y2 in cells of the map.
        images: int32 `(n,)`: which image of the batch regions are of.
        side: bins in each direction.

    Returns:
        float32 `(n, side, side, channels)`.
    """
    return tf.raw_ops.CropAndResize(
        image=values, boxes=regions, box_ind=images, crop_size=[side, side]
    )


def to_roi_align(context: Any, node: Any, name: str, arguments: Any) -> None:
    """What tf2onnx is to make of the operation; see its `custom_op_handlers`."""
    values, regions, images, _ = node.input
    side = int(node.inputs[3].get_tensor_value()[0])
    dtype, shape = context.get_dtype(node.output[0]), context.get_shape(node.output[0])
    context.remove_node(node.name)
    first = context.make_node("Transpose", [values], attr={"perm": [0, 3, 1, 2]})
    whole = context.make_node("Cast", [images], attr={"to": 7})  # int64
    settings = {
        "coordinate_transformation_mode": "half_pixel",
        "mode": "avg",
        "output_height": side,
        "output_width": side,
        "sampling_ratio": 0,  # as many samples as a region has cells
        "spatial_scale": 1.0,
    }
    pooled = context.make_node(
        "RoiAlign", [first.output[0], regions, whole.output[0]], attr=settings
    )
    context.make_node(
        "Transpose",
        [pooled.output[0]],
        attr={"perm": [0, 2, 3, 1]},
        name=name,
        outputs=node.output,
        dtypes=[dtype],
        shapes=[shape],
    )

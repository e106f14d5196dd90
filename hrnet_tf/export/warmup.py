"""Requests that TensorFlow Serving asks a SavedModel when it loads it.

Without them the first real requests wait while TensorFlow prepares its kernels.
"""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

# Where a server looks for them, in the SavedModel's folder.
WARMUP = Path("assets.extra", "tf_serving_warmup_requests")


def write_warmup(folder: Path, requests: Mapping[str, Mapping[str, tf.Tensor]]) -> None:
    """Write warm-up requests into the folder of a SavedModel.

    Args:
        folder: of the SavedModel.
        requests: for each signature by its name, the inputs by their names.

    Source: https://www.tensorflow.org/tfx/serving/saved_model_warmup
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path = folder / WARMUP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, inputs in requests.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = name
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            asked = prediction_log_pb2.PredictLog(request=request)
            log = prediction_log_pb2.PredictionLog(predict_log=asked)
            writer.write(log.SerializeToString())

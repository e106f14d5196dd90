"""What the formats of exports are called; see `hrnet_tf.export.formats`."""

NAMES = (
    "savedmodel",
    "tflite",
    "tflite_float16",
    "tflite_dynamic_int8",
    "tflite_int8",
    "tflite_int16x8",
    "tflite_decoded",
    "onnx",
    "onnx_int8",
)

# What one exports without naming formats: the network as it is, for every runtime.
DEFAULTS = ("savedmodel", "tflite", "onnx")

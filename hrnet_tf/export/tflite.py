"""Networks to TFLite files, for LiteRT on phones and small computers.

All kinds take one normalised image, so that every accelerator can run them, consist of
built-in operations, and have separate outputs for what has separate ranges.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from hrnet_tf.export.options import Options
from hrnet_tf.export.quantisation import RECIPES, measure_ranges, quantise
from hrnet_tf.export.signatures import decode, divided, outputs_of
from hrnet_tf.export.tflite_metadata import NAME as TFLITE_METADATA
from hrnet_tf.export.tflite_metadata import append_labels, tflite_metadata
from hrnet_tf.networks.fold import constant_graph, fold
from hrnet_tf.networks.stand_ins import StandIns
from hrnet_tf.tasks.base.manifest import TaskManifest

METADATA = "manifest"  # the manifest's name inside the file

Writer = Callable[[keras.Model, TaskManifest, Path, Options], TaskManifest]


def write_tflite(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write a TFLite file of float32 numbers; see `FORMATS` for the others."""
    from hrnet_tf.export import flatbuffer

    file = flatbuffer.unpack(_float32(model, manifest, options))
    return _finish(file, manifest, path)


def write_decoded(
    model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
) -> TaskManifest:
    """Write a TFLite file that decodes too: keypoints, classes or labels come out."""
    return _finish(_convert(model, manifest, decoded=True), manifest, path)


def quantised(kind: str) -> Writer:
    """What writes TFLite files with fewer bits.

    Args:
        kind: a name from `hrnet_tf.export.quantisation.RECIPES`.
    """

    def write(
        model: keras.Model, manifest: TaskManifest, path: str | Path, options: Options
    ) -> TaskManifest:
        from hrnet_tf.export import flatbuffer

        content = _float32(model, manifest, options)
        ranges = None
        if RECIPES[kind].calibrated:
            if "ranges" not in options.shared:
                images = manifest.input.normalised(options.images(kind)).numpy()
                options.shared["ranges"] = measure_ranges(content, images)
            ranges = options.shared["ranges"]
        small = flatbuffer.unpack(quantise(content, kind, ranges))
        return _finish(small, manifest, path)

    return write


def _float32(model: keras.Model, manifest: TaskManifest, options: Options) -> bytes:
    """The float32 file, made once an export."""
    from hrnet_tf.export import flatbuffer

    if "tflite" not in options.shared:
        content = flatbuffer.pack(_convert(model, manifest))
        options.shared["tflite"] = content
    return options.shared["tflite"]


def _convert(model: keras.Model, manifest: TaskManifest, decoded: bool = False) -> Any:
    """A float32 file with a signature, as objects."""
    from hrnet_tf.export import flatbuffer

    stand_ins = StandIns()
    parts = divided(manifest)
    network = fold(model, stand_ins.constant, runtime="tflite", divided=parts)

    def answer(image: tf.Tensor) -> dict[str, tf.Tensor]:
        found = network(image)
        return (decode if decoded else outputs_of)(found, manifest)

    image = tf.TensorSpec((1, *manifest.input.size, 3), tf.float32, "image")
    graph = constant_graph(answer, image)
    definition = graph.graph.as_graph_def()
    stand_ins.fill_in(definition)
    # TensorFlow 1's converter takes the graph as it is; the newer one would save and
    # load it first, which takes twice as long.
    converter = tf.compat.v1.lite.TFLiteConverter(
        definition, graph.inputs, graph.outputs
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.exclude_conversion_metadata = True  # writing it takes a second
    file = flatbuffer.unpack(converter.convert())
    flatbuffer.tell_tensors_apart(file)
    flatbuffer.name_tensors(file, ["image"], sorted(graph.structured_outputs))
    return file


def _finish(file: Any, manifest: TaskManifest, path: str | Path) -> TaskManifest:
    """Write a file with its facts inside, and return them."""
    from hrnet_tf.export import flatbuffer

    facts = dataclasses.replace(
        manifest,
        input=_with_facts(file, dataclasses.replace(manifest.input, any_size=False)),
        output=_with_facts(file, manifest.output),
    )
    flatbuffer.add_metadata(file, METADATA, facts.as_json().encode())
    described = tflite_metadata(facts, flatbuffer.output_names(file))
    flatbuffer.add_metadata(file, TFLITE_METADATA, described)
    Path(path).write_bytes(flatbuffer.pack(file))
    append_labels(path, facts)
    return facts


def _with_facts(file: Any, tensor: Any) -> Any:
    """A manifest's input or output with its type in the file, if it is there."""
    from hrnet_tf.export import flatbuffer

    parts = {
        field.name: getattr(tensor, field.name) for field in dataclasses.fields(tensor)
    }
    # Of several tensors each is a field of its own.
    several = {k: v for k, v in parts.items() if dataclasses.is_dataclass(v)}
    for name, part in [(tensor.name, tensor), *several.items()]:
        found = flatbuffer.tensor_facts(file, name)
        if found is None:
            continue
        known = {"dtype": found[0], "quantisation": found[1]}
        if part is tensor:
            tensor = dataclasses.replace(tensor, **known)
        else:
            tensor = dataclasses.replace(
                tensor, **{name: dataclasses.replace(part, **known)}
            )
    return tensor

"""TFLite's own metadata, read as its schema says."""

import zipfile

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import number_types as types
from flatbuffers.table import Table

from hrnet_tf.export import flatbuffer
from hrnet_tf.export.formats import FORMATS
from hrnet_tf.export.options import Options
from hrnet_tf.export.tflite_metadata import NAME, tflite_metadata
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.tasks.segmentation.manifest import LogitMapOutput, SegmentationManifest

CLASSES = ("sky", "road", "tree")


class Reader:
    """A table of a FlatBuffer: fields by their number in the schema."""

    def __init__(self, table):
        self.table = table

    @classmethod
    def root(cls, content):
        assert content[4:8] == b"M001"
        start = flatbuffers.encode.Get(types.UOffsetTFlags.packer_type, content, 0)
        return cls(Table(bytearray(content), start))

    def _place(self, field):
        offset = self.table.Offset(4 + 2 * field)
        assert offset, f"field {field} is missing"
        return offset + self.table.Pos

    def has(self, field):
        return bool(self.table.Offset(4 + 2 * field))

    def text(self, field):
        return self.table.String(self._place(field)).decode()

    def number(self, field, kind=types.Uint8Flags):
        return self.table.Get(kind, self._place(field))

    def inner(self, field):
        place = self._place(field)
        return Reader(Table(self.table.Bytes, self.table.Indirect(place)))

    def numbers(self, field):
        offset = self.table.Offset(4 + 2 * field)
        return self.table.GetVectorAsNumpy(types.Float32Flags, offset)

    def entries(self, field):
        offset = self.table.Offset(4 + 2 * field)
        start, count = self.table.Vector(offset), self.table.VectorLen(offset)
        places = [self.table.Indirect(start + 4 * i) for i in range(count)]
        return [Reader(Table(self.table.Bytes, place)) for place in places]


def classifier():
    given = ImageInput(64, 48, mean=(1.0, 2.0, 3.0), std=(10.0, 20.0, 30.0))
    return ClassificationManifest("HRNetClassifier width 4", given, CLASSES)


def labeller():
    return SegmentationManifest(
        "HRNetV2 width 4",
        ImageInput(64, 48),
        LogitMapOutput(),
        ClassSet("places", CLASSES),
    )


@pytest.fixture(scope="module")
def root():
    return Reader.root(tflite_metadata(classifier(), ["logits"]))


def test_the_model_says_its_name_and_task(root):
    assert (root.text(0), root.text(1)) == (
        "HRNetClassifier width 4",
        "HRNet, classification",
    )
    assert root.text(7) == "1.0.0"


def test_the_input_is_a_normalised_rgb_image(root):
    (graph,) = root.entries(3)
    (image,) = graph.entries(2)
    assert image.text(0) == "image"
    content = image.inner(3)
    assert content.number(0) == 2  # image properties
    assert content.inner(1).number(0, types.Int8Flags) == 1  # RGB
    size = content.inner(1).inner(1)
    sides = [size.number(field, types.Uint32Flags) for field in (0, 1)]
    assert sides == [48, 64]  # width, height
    (unit,) = image.entries(4)
    assert unit.number(0) == 1  # normalisation
    np.testing.assert_array_equal(unit.inner(1).numbers(0), [1, 2, 3])
    np.testing.assert_array_equal(unit.inner(1).numbers(1), [10, 20, 30])
    highest, lowest = (image.inner(5).numbers(field) for field in (0, 1))
    np.testing.assert_allclose(highest, [25.4, 12.65, 8.4])
    np.testing.assert_allclose(lowest, [-0.1, -0.1, -0.1])


@pytest.mark.parametrize(
    ("manifest", "names", "kinds"),
    [
        (classifier(), ["logits"], [2]),  # names of an axis
        (labeller(), ["confidence", "labels"], [None, 3]),  # names of values
    ],
)
def test_outputs_of_classes_name_the_file_of_labels(manifest, names, kinds):
    (graph,) = Reader.root(tflite_metadata(manifest, names)).entries(3)
    outputs = graph.entries(3)
    assert [output.text(0) for output in outputs] == names
    for output, kind in zip(outputs, kinds, strict=True):
        assert output.has(6) == (kind is not None)
        for file in output.entries(6) if kind else ():
            assert (file.text(0), file.number(2, types.Int8Flags)) == (
                "labels.txt",
                kind,
            )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    import keras

    image = keras.Input((64, 48, 3), name="image")
    logits = keras.layers.Conv2D(3, 4, strides=4, name="logits")(image)
    path = tmp_path_factory.mktemp("tflite") / "model.tflite"
    write = FORMATS["tflite"].write
    write(keras.Model(image, logits), labeller(), path, Options())
    return path


def test_a_file_holds_its_metadata_and_its_labels(written):
    content = flatbuffer.read_metadata(written.read_bytes(), NAME)
    assert Reader.root(content).text(0) == "HRNetV2 width 4"
    with zipfile.ZipFile(written) as archive:
        assert archive.read("labels.txt").decode().split() == list(CLASSES)


def test_a_file_with_labels_behind_it_runs(written):
    interpreter = Interpreter(str(written))
    interpreter.allocate_tensors()
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, 16, 12, 3]

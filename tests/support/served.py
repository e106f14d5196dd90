"""Tiny models of every task, the process that serves them, and the client."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import cv2
import grpc
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import hrnet_tf
from hrnet_tf.export.finding import Finder
from hrnet_tf.export.options import Options
from hrnet_tf.export.savedmodel import write_savedmodel
from hrnet_tf.tasks.base.experiment import answering
from hrnet_tf.tasks.base.manifest import ImageInput
from hrnet_tf.tasks.classification.manifest import ClassificationManifest
from hrnet_tf.tasks.keypoints.manifest import HeatmapOutput
from hrnet_tf.tasks.landmarks.landmark_set import LandmarkSet
from hrnet_tf.tasks.landmarks.manifest import LandmarkDecoding, LandmarkManifest
from hrnet_tf.tasks.panoptic.classes import PanopticClasses
from hrnet_tf.tasks.panoptic.manifest import (
    Grouping,
    PanopticManifest,
    PanopticOutput,
)
from hrnet_tf.tasks.regression.channels import ChannelSet
from hrnet_tf.tasks.regression.manifest import MapOutput, RegressionManifest
from hrnet_tf.tasks.segmentation.classes import ClassSet
from hrnet_tf.tasks.segmentation.manifest import LogitMapOutput, SegmentationManifest
from support.bright import bright_detector, bright_manifest
from support.networks import shallow_networks
from support.spots import (
    people_manifest,
    people_network,
    spot_image,
    spot_manifest,
    spot_network,
)

# All four branches, one block each: quick to build, and nothing is left out.
TINY = {"width": 4, "modules": (1, 1, 1), "blocks": 1, "stem": ((8, 2), (8, 2))}
DEPLOY = Path(__file__).parents[2] / "deploy" / "tf_serving"
SIGNATURES = {
    "pose": "keypoints",
    "bottom_up": "people",
    "landmarks": "landmarks",
    "classification": "classify",
    "segmentation": "segment",
    "panoptic": "panoptic",
    "regression": "regress",
    "ocr": "segment",
    "detection": "detect",
    "found": "people",
}
FOUND = "found"  # pose behind a detector
BOXED = ("pose", "landmarks")  # whose signatures take boxes


def png(image):
    return cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()


# Images of different sizes, and the people in them.
IMAGES = [
    spot_image((120, 140), [(60, 40), (48, 72), (82, 80)], radius=6),
    spot_image((90, 150), [(30, 20), (60, 50), (90, 40)], radius=5),
]
FILES = [png(image) for image in IMAGES]
BOXES = [[(20, 10, 90, 100)], [(0, 0, 120, 80), (-20, -15, 150, 160)]]


def tiny_networks():
    """A network and a manifest for each task; what they answer does not matter."""
    keras.utils.set_random_seed(0)
    with shallow_networks():
        attending = hrnet_tf.HRNetV2(classes=3, ocr=True, **TINY)
    crop, image = keras.Input((32, 32, 3)), keras.Input((None, None, 3))
    pooled = layers.Dense(3)(layers.GlobalAveragePooling2D()(crop))
    classify = keras.Model(crop, pooled)
    kernel, _ = classify.layers[-1].get_weights()
    # The last class, which is no ASCII, is the answer to every image.
    classify.layers[-1].set_weights([kernel, np.array([0.0, 0.0, 9.0])])
    dense = {n: layers.Conv2D(n, 1, strides=4)(image) for n in (2, 3)}
    any_size = ImageInput(32, 32, any_size=True)
    names = ("ground", "wall", "Tür")
    labels = SegmentationManifest(
        "s", any_size, LogitMapOutput(), ClassSet("parts", names)
    )
    three = LandmarkSet("three", ("left", "right", "tip"), (("left", "right"),))
    faces = LandmarkManifest(
        "f", ImageInput(32, 32), HeatmapOutput(8, 8, 4), three, LandmarkDecoding()
    )
    parts = {
        name: layers.Conv2D(n, 1, strides=4)(image)
        for name, n in (("semantic", 3), ("center", 1), ("offset", 2))
    }
    segments = PanopticManifest(
        "p",
        any_size,
        PanopticOutput(),
        PanopticClasses(names, things=names[1:]),
        grouping=Grouping(-9.0, 7, 50, 1),
    )
    return {
        "pose": (spot_network(), spot_manifest()),
        "bottom_up": (people_network(), people_manifest()),
        "landmarks": (keras.Model(crop, layers.Conv2D(3, 1, strides=4)(crop)), faces),
        "classification": (
            classify,
            ClassificationManifest("c", ImageInput(32, 32), names),
        ),
        "segmentation": (keras.Model(image, dense[3]), labels),
        "panoptic": (keras.Model(image, parts), segments),
        "regression": (
            keras.Model(image, dense[2]),
            RegressionManifest("r", any_size, MapOutput(), ChannelSet(("near", "far"))),
        ),
        "ocr": (answering(attending, "logits"), labels),
        "detection": (bright_detector(), bright_manifest()),
        FOUND: (spot_network(), spot_manifest()),
    }


def samples_of(manifest):
    height, width = manifest.input.size
    return {
        "crops": np.zeros((2, height, width, 3), np.uint8),
        "image_bytes": np.frombuffer(FILES[1], np.uint8),
        "boxes": np.array(BOXES[1], np.float32),
    }


def write_models(root, networks):
    """A folder a model in `root`, each with a version."""
    finder = Finder(*networks["detection"], "person", SIGNATURES[FOUND])
    for task, (model, manifest) in networks.items():
        (root / task).mkdir()
        detector = finder if task == FOUND else None
        options = Options(samples=samples_of(manifest), detector=detector)
        write_savedmodel(model, manifest, root / task / "1", options)
    return root


@contextlib.contextmanager
def serving(root, folder):
    """Facts of a process that serves a folder of models and starts in another one."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("serving_child.py")), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    line = process.stdout.readline()
    assert line, "the server did not start"
    yield SimpleNamespace(**json.loads(line), pid=process.pid)
    process.communicate(timeout=20)


def load_client():
    spec = importlib.util.spec_from_file_location("client", DEPLOY / "client.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asker(server, client):
    """`ask("rest", "pose", files, boxes)`: answers as the client gets them."""

    def ask(protocol, task, files, boxes=None):
        asking = {"rest": client.ask_rest, "grpc": client.ask_grpc}[protocol]
        inputs = client.request_inputs(files, boxes)
        address = f"127.0.0.1:{getattr(server, protocol)}"
        return asking(address, task, SIGNATURES[task], inputs)

    return ask


def ask_anything(server, task, signature, inputs):
    """What any client may send by gRPC, of whatever shape."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = task
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        kind = tf.string if value.dtype == object else value.dtype
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value, kind))
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, 60)
    return {name: tf.make_ndarray(x) for name, x in response.outputs.items()}


def post(server, model, body):
    """What curl would get: status and content."""
    url = f"http://127.0.0.1:{server.rest}/v1/models/{model}:predict"
    try:
        with urllib.request.urlopen(url, json.dumps(body).encode()) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def megabytes(pid):
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

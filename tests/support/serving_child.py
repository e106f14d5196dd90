"""What TensorFlow Serving does with exported folders, in a process without hrnet_tf.

There is no serving binary among Python's packages. This script stands in for it: it
loads through TensorFlow 1's session loader, replays the warm-up requests, and answers
REST and gRPC. It prints its ports as a line of JSON, and ends when its input ends:

    python serving_child.py FOLDER_OF_MODELS

Source: https://www.tensorflow.org/tfx/serving/api_rest for names, shapes and errors.
"""

import base64
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)


class RefusalError(Exception):
    """A request that does not fit; what the server calls InvalidArgument."""


class Model:
    """The highest version of a model."""

    def __init__(self, folder):
        versions = [int(x.name) for x in folder.iterdir() if x.name.isdecimal()]
        self.version = max(versions)
        path = folder / str(self.version)
        graph = tf.Graph()
        self.session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            loader = tf.compat.v1.saved_model.loader
            meta = loader.load(self.session, ["serve"], str(path))
        self.signatures = dict(meta.signature_def)
        self.signatures.pop("__saved_model_init_op", None)
        self.calls = {name: self._call(name) for name in self.signatures}
        self.warmed = self._warm_up(path / "assets.extra/tf_serving_warmup_requests")

    def _call(self, name):
        """The session as C++ calls it: nobody looks at shapes before the graph does."""
        signature, options = self.signatures[name], config_pb2.CallableOptions()
        options.feed.extend(info.name for info in signature.inputs.values())
        options.fetch.extend(info.name for info in signature.outputs.values())
        return self.session._make_callable_from_options(options)

    def _warm_up(self, path):
        names = []
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            log = prediction_log_pb2.PredictionLog.FromString(record)
            request = log.predict_log.request
            names.append(request.model_spec.signature_name)
            inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
            self.predict(names[-1], inputs)
        return names

    def predict(self, name, inputs):
        signature = self.signatures[name or "serving_default"]
        if inputs.keys() != set(signature.inputs):
            raise RefusalError(f"inputs must be {sorted(signature.inputs)}")
        for key, value in inputs.items():
            if tf.as_dtype(signature.inputs[key].dtype) != tf.as_dtype(value.dtype):
                raise RefusalError(f"input {key} has the type {value.dtype}")
        try:
            found = self.calls[name](*(inputs[key] for key in signature.inputs))
        except tf.errors.InvalidArgumentError as error:
            raise RefusalError(error.message) from None
        return dict(zip(signature.outputs, found, strict=True))


# REST


def tensor_of(value, dtype):
    """Nested lists to a tensor; the shape is that of the first entries."""
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    flat = []

    def fill(entry, level):
        if isinstance(entry, list) != (level < len(shape)):
            raise RefusalError(f"Encountered list at unexpected level: {level}")
        if not isinstance(entry, list):
            flat.append(scalar_of(entry, dtype))
            return
        if len(entry) != shape[level]:
            raise RefusalError(f"Encountered list at unexpected size: {len(entry)}")
        for part in entry:
            fill(part, level + 1)

    fill(value, 0)
    kind = object if dtype == tf.string else dtype.as_numpy_dtype
    return np.array(flat, kind).reshape(shape)


def scalar_of(entry, dtype):
    if dtype == tf.string:
        if isinstance(entry, dict) and list(entry) == ["b64"]:
            return base64.b64decode(entry["b64"], validate=True)
        if isinstance(entry, str):
            return entry.encode()
    elif type(entry) is int or (dtype.is_floating and type(entry) is float):
        return entry
    raise RefusalError(f"JSON Value: {entry!r} is not of expected type: {dtype.name}")


def inputs_of(body, signature):
    kinds = {key: tf.as_dtype(info.dtype) for key, info in signature.inputs.items()}
    if "instances" not in body:
        given = body["inputs"]
        if not isinstance(given, dict):
            (name,) = kinds
            given = {name: given}
        return {key: tensor_of(given[key], kind) for key, kind in kinds.items()}
    rows = body["instances"]
    if not rows:
        raise RefusalError("No values in 'instances' array")
    if not isinstance(rows[0], dict) or "b64" in rows[0]:
        (name,) = kinds
        rows = [{name: row} for row in rows]
    tensors = [{k: tensor_of(v, kinds[k]) for k, v in row.items()} for row in rows]
    for row in tensors:
        if row.keys() != kinds.keys():
            raise RefusalError(f"keys must be equal to: {','.join(kinds)}")
        if any(row[key].shape != tensors[0][key].shape for key in kinds):
            raise RefusalError("Expecting another shape")
    return {key: np.stack([row[key] for row in tensors]) for key in kinds}


def json_of(name, values):
    if values.dtype != object:
        return values.tolist()
    flat = [
        {"b64": base64.b64encode(x).decode()} if name.endswith("_bytes") else x.decode()
        for x in values.ravel()
    ]
    return np.array(flat, object).reshape(values.shape).tolist()


def answer_of(body, outputs):
    columns = {name: json_of(name, values) for name, values in outputs.items()}
    if "instances" not in body:
        alone = next(iter(columns.values())) if len(columns) == 1 else columns
        return {"outputs": alone}
    rows = zip(*columns.values(), strict=True)
    if len(columns) == 1:
        return {"predictions": [value for (value,) in rows]}
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def rest_handler(models):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            model = models.get(self.path.removeprefix("/v1/models/"))
            if model is None:
                return self.reply(404, {"error": "Could not find any versions"})
            status = {"error_code": "OK", "error_message": ""}
            entry = {"version": str(model.version), "state": "AVAILABLE"}
            entry["status"] = status
            return self.reply(200, {"model_version_status": [entry]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, _, method = self.path.removeprefix("/v1/models/").partition(":")
            name, _, version = name.partition("/versions/")
            model = models.get(name)
            if model is None or version not in ("", str(model.version)):
                return self.reply(404, {"error": f"Servable not found: {name}"})
            signature = body.get("signature_name", "serving_default")
            if signature not in model.signatures or method != "predict":
                return self.reply(400, {"error": f"no signature {signature}"})
            try:
                inputs = inputs_of(body, model.signatures[signature])
                outputs = model.predict(signature, inputs)
            except RefusalError as refusal:
                return self.reply(400, {"error": str(refusal)})
            return self.reply(200, answer_of(body, outputs))

        def reply(self, code, content):
            encoded = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_):
            """Nothing: what is printed is the ports."""

    return Handler


# gRPC


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self.models = models

    def Predict(self, request, context):  # noqa: N802
        spec = request.model_spec
        model = self.models.get(spec.name)
        if model is None or spec.version.value not in (0, model.version):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {spec.name}")
        if spec.signature_name not in model.signatures:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no {spec.signature_name}")
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        try:
            outputs = model.predict(spec.signature_name, inputs)
        except RefusalError as refusal:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refusal))
        response = predict_pb2.PredictResponse()
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response


def main(folder):
    models = {path.name: Model(path) for path in sorted(Path(folder).iterdir())}
    rest = ThreadingHTTPServer(("127.0.0.1", 0), rest_handler(models))
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    unlimited = [("grpc.max_receive_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(8), options=unlimited)
    service = Service(models)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    loaded = sorted(name for name in sys.modules if name.startswith("hrnet_tf"))
    warmed = {name: model.warmed for name, model in models.items()}
    facts = {"rest": rest.server_port, "grpc": port, "ours": loaded, "warmed": warmed}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main(sys.argv[1])

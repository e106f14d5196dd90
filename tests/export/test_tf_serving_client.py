"""The client and the settings in `deploy/tf_serving`, against a local server."""

import ast
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)
from google.protobuf import wrappers_pb2 as wrappers
from tensorflow_serving.config import model_server_config_pb2

from hrnet_tf.tasks.detection.pasting import paste
from support.served import BOXES, DEPLOY, FILES, SIGNATURES, post

protocols = pytest.mark.parametrize("protocol", ["rest", "grpc"])


# The command line of the client


@protocols
@pytest.mark.parametrize("task", SIGNATURES)
def test_the_client_prints_answers(task, protocol, server, client, tmp_path, capsys):
    photo, boxes = tmp_path / "photo.png", tmp_path / "boxes.json"
    photo.write_bytes(FILES[0])
    boxes.write_text(json.dumps({"photo.png": BOXES[0]}))
    command = [SIGNATURES[task], str(photo), "--model", task, "--version", "1"]
    command += ["--server", f"127.0.0.1:{getattr(server, protocol)}"]
    command += ["--boxes", str(boxes), "--out", str(tmp_path / "out")]
    client.main(command + ["--grpc"] * (protocol == "grpc"))
    said = capsys.readouterr().out
    shown = {
        "pose": "photo.png: person 0: ",
        "bottom_up": "photo.png: person 0 (0.9",
        "landmarks": "photo.png: face 0: ",
        "classification": "photo.png: ",
        "segmentation": "140x120 pixels, shares of classes ",
        "ocr": "140x120 pixels, shares of classes ",
        "panoptic": "140x120 pixels, segments ",
        "regression": "140x120 pixels, ",
        "detection": "photo.png: ball (0.90): 0.0, 0.0, ",
        "found": "photo.png: person 0 (0.80): ",
    }
    assert shown[task] in said
    answer = json.loads((tmp_path / "out" / "photo.json").read_text())
    if task in ("pose", "bottom_up"):
        assert len(answer["keypoints"]) == len(answer["scores"]) == 1
        np.testing.assert_allclose(answer["keypoints"][0][0][:2], (60, 40), atol=5)
    if task in ("detection", "found"):
        assert len(answer["boxes"]) == len(answer["scores"])
        assert len(said.splitlines()) == len(answer["boxes"])
    if task in ("segmentation", "ocr"):
        assert np.shape(answer["labels"]) == (120, 140)


def test_the_client_takes_boxes_from_the_command_line(server, client, tmp_path, capsys):
    (tmp_path / "photo.png").write_bytes(FILES[0])
    command = ["keypoints", str(tmp_path / "photo.png"), "--model", "pose"]
    command += ["--server", f"127.0.0.1:{server.rest}"]
    client.main(command)
    assert capsys.readouterr().out.endswith("photo.png: nobody\n")
    client.main([*command, "--box", "20", "10", "90", "100"])
    assert "person 0: " in capsys.readouterr().out


@protocols
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["--model", "other"], "Servable not found"),
        (["--version", "7"], "Servable not found"),
        (["--server", "127.0.0.1:1"], "client.py: "),
    ],
)
def test_the_client_fails_with_a_sentence(
    change, sentence, protocol, server, client, tmp_path, capsys
):
    (tmp_path / "photo.png").write_bytes(FILES[0])
    command = ["classify", str(tmp_path / "photo.png"), "--model", "classification"]
    command += ["--server", f"127.0.0.1:{getattr(server, protocol)}", *change]
    with pytest.raises(SystemExit) as stopped:
        client.main(command + ["--grpc"] * (protocol == "grpc"))
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_the_client_needs_nothing_of_this_package():
    tree = ast.walk(ast.parse((DEPLOY / "client.py").read_text()))
    names = {
        name.split(".")[0]
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    ours = names - sys.stdlib_module_names
    # NumPy comes with TensorFlow.
    assert ours == {"grpc", "numpy", "tensorflow", "tensorflow_serving"}


def test_the_lines_for_curl_are_understood(server, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(FILES[0])
    lines = (DEPLOY / "README.md").read_text().replace("\\\n", "").splitlines()
    asked = [line.split("| curl")[0] for line in lines if line.startswith("echo ")]
    answers = {}
    for line in asked:
        said = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True)
        body = json.loads(said.stdout)
        name = body["signature_name"]
        task = next(task for task in SIGNATURES if SIGNATURES[task] == name)
        status, answers[task] = post(server, task, body)
        assert status == 200
    expected = {"pose", "bottom_up", "detection", "classification", "segmentation"}
    assert answers.keys() == expected
    assert answers["detection"]["predictions"][0]["names"][0] == "ball"
    assert answers["bottom_up"]["predictions"][0]["counts"] == 1
    assert np.shape(answers["pose"]["predictions"][0]["keypoints"]) == (1, 3, 2)
    assert np.shape(answers["segmentation"]["outputs"]["labels"]) == (1, 120, 140)


def test_masks_are_pasted_as_the_readme_has_it(rng):
    text = (DEPLOY / "README.md").read_text()
    code = textwrap.dedent(text.split("```python\n")[1].split("```")[0])
    names = {"np": np}
    exec(code, names)
    likely = rng.random((28, 28)).astype(np.float32)
    for box in (
        (10.3, 7.8, 61.5, 40.2),
        (-8.0, 30.5, 50.0, 44.0),
        (70.0, 1.0, 9.0, 3.0),
    ):
        found = names["paste"](likely, box, 60, 90)
        expected = paste(likely, box, (60, 90))
        assert expected.any()
        assert (found == expected).mean() > 0.999  # float64 and float32


# The server's settings


def test_the_models_file_names_the_mounted_folder():
    text = (DEPLOY / "models.config").read_text()
    read = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (config,) = read.model_config_list.config
    assert (config.name, config.model_platform) == ("hrnet", "tensorflow")
    assert any(x.endswith(f":{config.base_path}:ro") for x in service()["volumes"])


def service():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["serving"]


def message_of(name, fields):
    """A message that is not among Python's protos, by the names of its fields."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", syntax="proto3")
    file.dependency.append(wrappers.DESCRIPTOR.name)
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), start=1):
        added = message.field.add(name=field, number=number, label=1)
        if isinstance(kind, str):
            added.type, added.type_name = kinds.TYPE_MESSAGE, kind
        else:
            added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()


def test_the_batching_file_has_the_fields_of_the_server():
    whole = ".google.protobuf.Int64Value"
    names = ["max_batch_size", "batch_timeout_micros", "max_enqueued_batches"]
    fields = dict.fromkeys([*names, "num_batch_threads"], whole)
    boolean = descriptor_pb2.FieldDescriptorProto.TYPE_BOOL
    message = message_of(
        "BatchingParameters", {**fields, "pad_variable_length_inputs": boolean}
    )
    read = text_format.Parse((DEPLOY / "batching.config").read_text(), message)
    assert read.pad_variable_length_inputs
    assert read.max_batch_size.value == 16


def test_the_command_names_the_mounted_files():
    mounted = [Path(x.split(":")[1]) for x in service()["volumes"][1:]]
    named = [x.split("=")[1] for x in service()["command"] if "_file=" in x]
    assert sorted(map(str, mounted)) == sorted(named)
    assert all((DEPLOY / path.name).is_file() for path in mounted)


def test_the_health_check_tells_a_server_from_none(server):
    program, *rest = service()["healthcheck"]["test"][1:]

    def check(port, name):
        words = [x.replace("8501", str(port)).replace("hrnet", name) for x in rest]
        return subprocess.run([program, *words], capture_output=True).returncode

    assert check(server.rest, "pose") == 0
    assert check(server.rest, "other") != 0
    assert check(1, "pose") != 0

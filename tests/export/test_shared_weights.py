import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.errors import InputError
from hrnet_tf.export.finding import Finder
from hrnet_tf.export.options import Options
from hrnet_tf.export.processes.runtimes import call_signature
from hrnet_tf.export.requests import request_of
from hrnet_tf.export.savedmodel import write_savedmodel
from hrnet_tf.networks import shared_weights
from hrnet_tf.networks.shared_weights import LEAST, SharedWeights
from hrnet_tf.tasks import parts_of
from hrnet_tf.tasks.base.behind_detector import BehindDetector
from support.served import FOUND, IMAGES, SIGNATURES, samples_of, tiny_networks

pytestmark = pytest.mark.usefixtures("unimproved")


@pytest.fixture(scope="module")
def networks():
    return tiny_networks()


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """How many numbers of tiny networks are enough for a variable."""
    monkeypatch.setattr(shared_weights, "LEAST", 16)
    return 16


@pytest.mark.parametrize("task", ["pose", "ocr", "detection"])
def test_variables_answer_as_constants(task, networks, tmp_path):
    model, manifest = networks[task]
    given = request_of(manifest, samples_of(manifest))
    answers = {}
    for weights in ("constants", "variables"):
        write_savedmodel(model, manifest, tmp_path / weights, Options(weights=weights))
        path = str(tmp_path / weights)
        answers[weights] = call_signature(path, SIGNATURES[task], given)
    constants, variables = answers["constants"], answers["variables"]
    assert constants.keys() == variables.keys()
    for name, expected in constants.items():
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(variables[name], expected, atol=1e-5)
        else:
            np.testing.assert_array_equal(variables[name], expected)


def test_a_detector_and_what_looks_at_its_boxes_have_variables_too(networks, tmp_path):
    detector, (model, manifest) = networks["detection"], networks[FOUND]
    finder = Finder(*detector, "person", SIGNATURES[FOUND])
    options = Options(weights="variables", detector=finder)
    write_savedmodel(model, manifest, tmp_path, options)
    given = {"image_bytes": samples_of(manifest)["image_bytes"]}
    answer = call_signature(str(tmp_path), SIGNATURES[FOUND], given)
    find, look = (
        parts_of(facts).predictor.from_model(own, facts)
        for own, facts in (detector, (model, manifest))
    )
    people = BehindDetector(look, find, "person").predict(IMAGES[1])
    assert answer["people"] == [len(people.boxes)]
    assert len(people.boxes) > 0
    for name, limit in (("boxes", 1e-3), ("box_scores", 1e-6), ("scores", 0.02)):
        np.testing.assert_allclose(answer[name][0], getattr(people, name), atol=limit)


def test_graphs_of_variables_hold_no_weights(tiny_model, tiny_manifest, tmp_path, few):
    write_savedmodel(tiny_model, tiny_manifest, tmp_path, Options(weights="variables"))
    loaded = tf.saved_model.load(str(tmp_path))
    functions = [loaded.signatures[name] for name in ("serving_default", "keypoints")]
    held = [{id(v) for v in graph.variables} for graph in functions]
    assert held[0] == held[1]  # one copy for all signatures
    constants = [
        tf.make_ndarray(node.attr["value"].tensor).size
        for function in functions[0].graph.as_graph_def().library.function
        for node in function.node_def
        if node.op == "Const"
    ]
    least = min(v.shape.num_elements() for v in functions[0].variables)
    assert 0 < max(constants) < few <= least


def test_what_is_computed_anew_for_each_graph_stays_a_constant():
    weights, kept = SharedWeights(), np.ones((LEAST,), np.float32)

    def network(x):
        fresh = np.full((LEAST,), 3.0, np.float32)
        return x * weights.constant(kept) + weights.constant(fresh)

    specification = tf.TensorSpec((LEAST,), tf.float32)
    weights.collect(network, specification)
    graph = tf.function(network).get_concrete_function(specification)
    assert len(graph.variables) == 1
    np.testing.assert_array_equal(graph(tf.ones((LEAST,))), np.full((LEAST,), 4.0))


def test_weights_of_another_kind_are_refused():
    with pytest.raises(InputError, match="must be constants or variables, got 'lists'"):
        Options(weights="lists")

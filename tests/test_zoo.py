"""The model zoo of the documents: every configuration, its size, score and weights."""

import pytest

from docs.builder import zoo, zoo_pages
from hrnet_tf.checkpoints.published import PUBLISHED
from hrnet_tf.common.shipped import shipped_configs
from hrnet_tf.training.configs import read_config


@pytest.fixture(scope="module")
def entries():
    return {entry.name: entry for entry in zoo.zoo()}


def test_every_configuration_is_there_and_its_network_is_counted(entries):
    assert list(entries) == [shipped.name for shipped in shipped_configs()]
    counts = zoo.read_counts()
    networks = {entry.network for entry in entries.values() if entry.network}
    assert counts.keys() == networks, "python -m docs.builder counts"
    for numbers in counts.values():
        assert min(numbers.values()) > 10**5


def test_every_recipe_says_its_command_its_source_and_what_to_expect(entries):
    for entry in entries.values():
        assert (
            f"hrnet-tf train configs/{entry.name}.yaml" in " ".join(entry.head.commands)
            or entry.purpose
        )
        if entry.network:
            assert entry.head.expected or entry.head.more
            assert entry.head.source


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("pose/coco_hrnet_v1_w32_256x192", ["coco_256x192", "coco_256x192_official"]),
        ("pose/coco_hrnet_v1_w32_256x192_udp", ["coco_256x192_udp"]),
        ("pose/coco_simple_baseline_r50_384x288", ["coco_384x288_official"]),
        ("pose/coco_lite_hrnet_18_256x192", []),
        ("bottom_up/coco_higher_hrnet_w32_640", ["coco_640"]),
        ("landmarks/wflw_hrnet_w18", ["wflw"]),
        ("segmentation/pascal_context_59_hrnet_v2_w48_ocr", ["pascal_context_ocr"]),
        ("segmentation/pascal_context_60_hrnet_v2_w48_ocr", []),
        ("classification/imagenet_hrnet_w18_small_v1", ["imagenet"]),
        ("classification/imagenet_hrnet_w18_cosine", []),
    ],
)
def test_weights_are_those_of_the_very_network(name, weights, entries):
    assert [row.name for row in entries[name].weights] == weights


def test_a_head_is_taken_apart(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "# hrnet-tf train a.yaml \\\n#     model.body=imagenet\n"
        "# For dogs. Expected: AP 0.5 on dogs, 1.5 points more with cats. Two\n"
        "# GPUs. Source: https://dogs.example/paper.pdf, table 1.\nseed: 0  # no\n"
    )
    head = zoo.read_head(path)
    assert head == zoo.Head(
        ("hrnet-tf train a.yaml \\", "model.body=imagenet"),
        "AP 0.5 on dogs, 1.5 points more with cats.",
        "https://dogs.example/paper.pdf, table 1.",
        "For dogs. Two GPUs.",
    )
    assert zoo.URL.search(head.source)[0] == "https://dogs.example/paper.pdf"


def test_pages_show_counts_scores_and_licences(entries):
    entry = entries["pose/coco_hrnet_v1_w32_256x192"]
    counts = {entry.network: {"parameters": 28_540_000, "multiply_adds": 7_650_000_000}}
    page = zoo_pages.page("pose", [entry], [entries["pose/demo"]], counts)
    assert "| 28.5 M | 7.65 G | AP 0.734 on COCO val2017" in page
    assert "`coco_256x192` (Apache-2.0), `coco_256x192_official` (MIT)" in page
    assert '`HRNetV1(32, weights="coco_256x192")`' in page
    assert "hrnet-tf train configs/pose/coco_hrnet_v1_w32_256x192.yaml" in page
    assert "## demo" in page
    table = zoo_pages.weights_table(PUBLISHED)
    assert len(table.splitlines()) == len(PUBLISHED) + 2


def test_numbers_of_classes_are_those_of_the_shipped_sets():
    from hrnet_tf.tasks.segmentation.classes import ClassSet

    shipped = zoo.CLASSES.keys() - {"imagenet", "coco", "wider_face"}
    assert {x: len(ClassSet.read(x)) for x in shipped} == {
        x: zoo.CLASSES[x] for x in shipped
    }


def test_a_small_network_is_as_large_as_is_kept():
    name = "classification/imagenet_hrnet_w18_small_v1"
    _check(name)


@pytest.mark.slow
def test_networks_are_as_large_as_is_kept(entries):
    known = {entry.network: entry.name for entry in entries.values() if entry.network}
    for name in known.values():
        _check(name)


def _check(name):
    kept = zoo.read_counts()[zoo.described(name, read_config(name))]
    found = zoo.counted(name)
    assert kept == {
        "parameters": found.parameters,
        "multiply_adds": found.multiply_adds,
    }, name

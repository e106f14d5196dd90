import dataclasses
import json

import keras
import numpy as np
import pytest

import hrnet_tf
from benchmarks import __main__ as command
from benchmarks import (
    detection,
    detector_steps,
    epochs,
    reading,
    runtime,
    serving,
    steps,
)
from benchmarks.input_pipeline import OurBatches
from benchmarks.loader import WorkerLoader
from benchmarks.photographs import draw_people
from benchmarks.report import Result, table
from hrnet_tf.networks.batch_norm import BatchNorm
from support.served import TINY

FAST = Result("adding", {"ours": 2.0, "theirs": 3.0}, "ms", 1.5, 1.35)
SLOW = Result("adding", {"ours": 2.0, "theirs": 2.5}, "ms", 1.25, 1.35)


def test_a_ratio_must_reach_its_target():
    assert FAST.verdict() == "ratio 1.50 (target: at least 1.35)  ok"
    assert SLOW.verdict() == "ratio 1.25 (target: at least 1.35)  missed"


@pytest.mark.parametrize(("value", "verdict"), [(1.5, "ok"), (2.5, "missed")])
def test_a_difference_must_not_exceed_its_target(value, verdict):
    result = Result("x", {"ours": 5.0}, "ms", value, 2.0, is_ratio=False)
    expected = f"difference {value:.2f} ms (target: at most 2 ms)  {verdict}"
    assert result.verdict() == expected


def test_a_table_shows_both_sides_and_the_verdict():
    assert table([FAST]).splitlines() == [
        "  adding",
        "    ours        2.00 ms",
        "    theirs      3.00 ms",
        "    ratio 1.50 (target: at least 1.35)  ok",
    ]


@pytest.fixture
def run_command(monkeypatch, tmp_path):
    """Run the command with a benchmark that gives these results; what it writes."""

    def run(results):
        monkeypatch.setattr(command, "use_two_cores", lambda: None)
        monkeypatch.setattr(serving, "run", lambda: results)
        path = tmp_path / "results.json"
        try:
            command.main(["serving", "--json", str(path)])
        finally:
            written.extend(json.loads(path.read_text()))

    written = []
    return run, written


def test_results_are_written_as_json(run_command):
    run, written = run_command
    run([FAST])
    assert written == [
        {
            "benchmark": "serving",
            "title": "adding",
            "measured": {"ours": 2.0, "theirs": 3.0},
            "unit": "ms",
            "value": 1.5,
            "target": 1.35,
            "is_ratio": True,
            "ok": True,
        }
    ]


def test_a_missed_target_fails_the_command_after_all_is_written(run_command):
    run, written = run_command
    with pytest.raises(SystemExit, match="missed: adding"):
        run([FAST, SLOW])
    assert [result["ok"] for result in written] == [True, False]


def test_unknown_benchmarks_are_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["speed"])
    assert (
        "NAME must be one of serving, memory, runtime, flavours"
        in capsys.readouterr().err
    )


def test_memory_is_that_of_the_reading_process_alone(tmp_path):
    path, tensors = tmp_path / "a.pth", 40 * 10**6
    reading.write_checkpoint(path, tensors // 4 // 100, tensors=100)
    parents = np.ones(10 * tensors, np.uint8)  # more than the child ever has
    _, used = reading.measure("checkpoint", path)
    assert 0.95 * tensors < used < 1.3 * tensors
    assert parents.all()


def test_memory_that_was_not_measured_is_no_result(monkeypatch):
    monkeypatch.setattr(reading, "write_checkpoint", lambda *_: None)
    monkeypatch.setattr(reading, "measure", lambda *_: (1.0, 0))
    with pytest.raises(RuntimeError, match="it was not measured"):
        reading.run()


def test_onnxruntime_is_measured_in_turns(monkeypatch, tiny_model, tiny_manifest):
    monkeypatch.setattr(runtime, "make_network", lambda: tiny_model)
    monkeypatch.setattr(runtime, "make_manifest", lambda: tiny_manifest)
    monkeypatch.setattr(runtime, "ROUNDS", 1)
    plain, int8 = runtime.run()
    assert list(plain.measured) == ["exported ONNX", "tf.function(model)"]
    assert list(int8.measured) == ["in int8", "exported ONNX"]
    for result in (plain, int8):
        ours, peer = result.measured.values()
        assert result.value == peer / ours
        assert ours > 0


def test_both_loaders_make_the_same_batches(tmp_path):
    batch_size, batches = 4, 5
    people = draw_people(tmp_path, images=6)
    ours = OurBatches(people, (64, 48), batch_size, batch_size * batches)
    mine = list(ours.batches(0))
    with WorkerLoader(ours.recipe(), batch_size) as loader:
        theirs = [
            tuple(part.copy() for part in batch)
            for batch in loader.batches(ours.samples(0))
        ]
    assert len(mine) == len(theirs) == batches
    for (crops, heatmaps, weights), other in zip(mine, theirs, strict=True):
        # Two JPEG decoders, and positions in 1/32 pixel from other origins.
        difference = crops.numpy().transpose(0, 3, 1, 2) - other[0]
        assert np.abs(difference).mean() < 0.03  # 1.7 of 255 levels
        targets = heatmaps.numpy().transpose(0, 3, 1, 2)
        np.testing.assert_allclose(targets, other[1], atol=1e-6)
        np.testing.assert_array_equal(weights, other[2])


def test_regions_are_measured_beside_crops_of_as_many_samples(monkeypatch):
    monkeypatch.setattr(detection, "CHANNELS", 2)
    monkeypatch.setattr(detection, "REGIONS", 3)
    monkeypatch.setattr(detection, "ROUNDS", 1)
    result = detection.regions()
    assert list(result.measured) == ["roi_align", "crop_and_resize"]
    ours, peer = result.measured.values()
    assert result.value == peer / ours > 0
    box = np.array([[0, 0, 28 * 4, 56 * 4]])  # 4 by 8 samples a bin
    assert detection.crop_side(box, 4) == (40, 40)


def test_a_detector_is_measured_beside_what_has_no_weights(monkeypatch, shallow):
    tiny = hrnet_tf.HRNetDetector(classes=2, **TINY)
    monkeypatch.setattr(detection, "make_detector", lambda: tiny)
    monkeypatch.setattr(detection, "SIZE", (192, 256))
    monkeypatch.setattr(detection, "CHANNELS", 2)
    monkeypatch.setattr(detection, "WHOLE_ROUNDS", 1)
    result = detection.whole()
    whole, rest = result.measured.values()
    assert result.value == whole / rest > 0


def test_training_steps_are_measured_beside_those_of_published_heads(
    monkeypatch, shallow, eagerly
):
    tiny = {"features": 4, "hidden": 8, "learning": {"regions": 16}}
    monkeypatch.setattr(detector_steps, "BODY", {**TINY, **tiny})
    monkeypatch.setattr(detector_steps, "NARROW", {"features": 2})
    monkeypatch.setattr(detector_steps, "KINDS", {"Faster": {}})
    monkeypatch.setattr(detector_steps, "SIZE", (64, 64))
    monkeypatch.setattr(detector_steps, "ROUNDS", 1)
    result = detector_steps.times()
    assert list(result.measured) == ["Faster", "Faster, published heads"]
    narrow, published = result.measured.values()
    assert result.value == published / narrow > 0


def test_the_memory_of_training_steps_is_measured(
    monkeypatch, shallow, eagerly, capsys
):
    monkeypatch.setattr(detector_steps, "MEMORY_STEPS", 1)
    heads = {"features": 4, "hidden": 8, "masks": True}
    detector_steps.measure_memory({**TINY, **heads}, (64, 64))
    before, peak = map(int, capsys.readouterr().out.split())
    assert peak > before > 1e8


def test_epochs_whose_state_is_kept_take_turns_with_others(
    monkeypatch, shallow, eagerly
):
    monkeypatch.setattr(epochs, "SECONDS", 1e-9)
    monkeypatch.setattr(epochs, "CROPS", (1, 32, 32))
    monkeypatch.setattr(epochs, "TURNS", 1)
    monkeypatch.setattr(epochs, "COUNTED", 1)
    kept = []
    take = epochs.States.take
    monkeypatch.setattr(
        epochs.States,
        "take",
        lambda self, path, file: (kept.append(path.stem), take(self, path, file)),
    )
    (result,) = epochs.run()
    assert kept == [
        name for number in range(1, 4) for name in ("best", f"epoch_{number:04d}")
    ]
    with_state, without = result.measured.values()
    assert result.value == without / with_state
    assert min(with_state, without) > 0


@pytest.mark.parametrize(
    ("side", "name"),
    [(steps.THEIRS, "Adam"), (steps.OURS, "Adam"), (steps.OURS, "SGD")],
)
def test_sides_of_training_steps_differ_by_optimizer_and_batch_norm(side, name):
    case = dataclasses.replace(steps.CASES["pose"], width="18_small_v1")
    network = steps.make_network(case, side, name)
    source = keras if side == steps.THEIRS else hrnet_tf
    assert type(network.optimizer) is getattr(source.optimizers, name)
    norm = keras.layers.BatchNormalization if side == steps.THEIRS else BatchNorm
    assert type(network.get_layer("bn1")) is norm
    assert network.loss is not None


NUMBERS = {
    steps.THEIRS: [80.0, 1200.0, 4000.0, 7.0],
    steps.OURS: [20.0, 1000.0, 3000.0, 7.0],
    steps.TORCH: [5.0, 900.0, 2000.0, 7.0],
}


@pytest.fixture
def with_torch(monkeypatch):
    def set_to(installed):
        monkeypatch.setattr(steps, "has_torch", lambda: installed)
        monkeypatch.setattr(steps, "_in_process", lambda name, side: NUMBERS[side])

    return set_to


def test_training_steps_are_judged_by_medians_of_processes(with_torch, capsys):
    with_torch(False)
    found = steps.run()
    assert len(found) == 3 * len(steps.CASES)
    assert [(result.value, result.ok) for result in found[:3]] == [
        (4.0, True),
        (1.2, True),
        (pytest.approx(4 / 3), False),
    ]
    assert found[0].title == "HRNetV1 W32, 8 of 256x192: until the first step ends"
    assert "without PyTorch beside" in capsys.readouterr().out


def test_training_steps_stand_beside_those_of_pytorch(with_torch, monkeypatch):
    with_torch(True)
    found = steps.run()
    assert len(found) == 3 * len(steps.CASES) + 1
    assert list(found[0].measured) == [steps.THEIRS, steps.OURS, steps.TORCH]
    assert found[2].title == "HRNetV1 W32, 8 of 256x192: a step, beside PyTorch"
    assert (found[2].value, found[2].ok) == (0.9, False)
    monkeypatch.setitem(NUMBERS, steps.TORCH, [5.0, 900.0, 2000.0, 8.0])
    with pytest.raises(RuntimeError, match="pose: the sides are not the same network"):
        steps.run()


def test_pytorch_is_given_the_numbers_of_the_body():
    given = json.loads(steps.torch_case(steps.CASES["pose"]))
    assert given == {
        "body": {
            "width": 32,
            "modules": [1, 4, 3],
            "blocks": 4,
            "bottlenecks": [4, 64],
            "stem": [[64, 2], [64, 2]],
            "deep_blocks": False,
        },
        "images": 8,
        "size": [256, 192],
        "keypoints": 17,
    }


def test_the_network_of_pytorch_has_as_many_weights():
    pytest.importorskip("torch")
    from benchmarks import torch_steps

    given = json.loads(steps.torch_case(steps.CASES["pose"]))
    network = torch_steps.Pose(given["body"], given["keypoints"])
    assert sum(each.numel() for each in network.parameters()) == 28_536_113

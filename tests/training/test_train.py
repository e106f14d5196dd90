from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from hrnet_tf.common.compat import averaged_values
from hrnet_tf.common.config import Component, TrainSection
from hrnet_tf.common.errors import InputError
from hrnet_tf.common.typed_yaml import write_config
from hrnet_tf.images.preprocess import preprocess_input
from hrnet_tf.tasks import make_experiment
from hrnet_tf.tasks.pose.experiment import PoseExperiment, weighted
from hrnet_tf.tasks.pose.predictor import PosePredictor
from hrnet_tf.training.recipe import make_optimizer
from hrnet_tf.training.run import Run
from hrnet_tf.training.train import limit_threads, prepare_model, train
from support.runs import SHORT, history, state


def test_training_leaves_a_run(configured, eagerly):
    run = train(configured(*SHORT))
    for name in ("config.yaml", "manifest.json", "history.csv", "samples.npz"):
        assert (run.folder / name).is_file()
    assert (run.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (run.folder / "overlays").iterdir()] == [
        "epoch_0001.jpg"
    ]
    assert list((run.folder / "logs").rglob("events.out.tfevents.*"))
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [
        "best.keras",
        "epoch_0001.keras",
    ]
    assert {"epoch", "loss", "accuracy", "val_AP"} <= history(run)[0].keys()
    assert run.model().output_shape == (None, 16, 8, 17)


ACCUMULATED = ("train.accumulate=2", "train.batch_size=4", "train.steps_per_epoch=1")


@pytest.mark.parametrize(
    "more", [(), ("train.ema=0.9", "train.clip_norm=0.5"), ACCUMULATED]
)
def test_an_interrupted_training_ends_as_an_undisturbed_one(
    configured, eagerly, shallow, tmp_path, monkeypatch, more
):
    settings = ("train.steps_per_epoch=2", *more)
    whole = train(configured(f"output={tmp_path / 'whole'}", *settings))

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        callback = keras.callbacks.TensorBoard
        patched.setattr(callback, "on_train_batch_begin", fail_at(2, interrupt))
        with pytest.raises(KeyboardInterrupt):
            train(configured(*settings))
    resumed = train(configured(*settings))

    assert [row["epoch"] for row in history(resumed)] == ["1", "2"]
    assert [row["loss"] for row in history(resumed)] == [
        row["loss"] for row in history(whole)
    ]
    for ours, theirs in zip(state(resumed), state(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def fail_at(number, failure):
    calls = []

    def call(self, batch, logs=None):
        calls.append(batch)
        if len(calls) > number:
            failure()

    return call


def test_steps_and_validations_are_traced_once_in_a_process(
    configured, shallow, monkeypatch
):
    """However many epochs there are, and after an interruption too."""
    traced = []
    step, in_graph = keras.Model.train_step, PosePredictor.in_graph

    def counted_step(self, data):
        traced.append("step")
        return step(self, data)

    def counted_graph(network, manifest):
        answer = in_graph(network, manifest)

        def counted(crops):
            traced.append("validation")
            return answer(crops)

        return counted

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.Model, "train_step", counted_step)
    monkeypatch.setattr(PosePredictor, "in_graph", staticmethod(counted_graph))
    settings = ("train.steps_per_epoch=2", "train.epochs=3")
    with monkeypatch.context() as patched:
        callback = keras.callbacks.TensorBoard
        patched.setattr(callback, "on_train_batch_begin", fail_at(4, interrupt))
        with pytest.raises(KeyboardInterrupt):
            train(configured(*settings))
    assert traced == ["step", "validation"]  # two epochs
    train(configured(*settings))
    assert traced == ["step", "validation"] * 2


def test_a_finished_run_is_not_trained_again(configured, eagerly, shallow):
    first = train(configured(*SHORT))
    written = first.best.stat().st_mtime_ns
    assert train(configured(*SHORT)).best.stat().st_mtime_ns == written


def test_a_run_with_other_settings_is_not_overwritten(configured, eagerly, shallow):
    train(configured(*SHORT))
    with pytest.raises(InputError, match=r"train.learning_rate: 0.01 -> 0.02"):
        train(configured(*SHORT, "train.learning_rate=0.02"))


def test_a_folder_with_something_else_is_not_touched(configured, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is not empty and no run"):
        train(configured())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_nothing_is_written_when_the_data_are_no_good(configured, tmp_path):
    with pytest.raises(InputError, match=r"There is no file nowhere\.json"):
        train(configured("data.train.annotations=nowhere.json"))
    assert not (tmp_path / "run").exists()


def test_half_written_checkpoints_are_not_resumed_from(configured, eagerly, shallow):
    run = train(configured(*SHORT))
    (run.checkpoints / "epoch_0002.partial.keras").write_bytes(b"half")
    assert run.last()[1] == 1


def test_averaged_weights_are_judged_and_kept(configured, eagerly, shallow):
    run = train(configured(*SHORT, "train.ema=0.5", "train.steps_per_epoch=2"))
    model = keras.models.load_model(str(run.last()[0]))
    averages = [np.asarray(average) for _, average in averaged_values(model)]
    best = run.model().trainable_variables
    for ours, average in zip(best, averages, strict=True):
        np.testing.assert_array_equal(ours, average)
    moved = [
        not np.array_equal(variable, average)
        for variable, average in averaged_values(model)
    ]
    assert any(moved)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_keeps_float32_weights(
    configured, eagerly, shallow, precision
):
    run = train(configured(*SHORT, f"train.precision={precision}"))
    assert np.isfinite(float(history(run)[0]["loss"]))
    assert {variable.dtype for variable in run.model().variables} == {
        run.model().variables[0].dtype
    }
    assert keras.mixed_precision.global_policy().name == "float32"


def test_parts_from_outside_are_named_by_their_import_paths(
    configured, eagerly, shallow
):
    run = train(
        configured(
            *SHORT,
            "train.optimizer.class_path=keras.optimizers.AdamW",
            "train.optimizer.arguments={weight_decay: 0.01}",
            "train.loss.class_path=keras.losses.Huber",
            "train.loss.arguments={delta: 0.1}",
            "model.activation.class_path=keras.layers.ELU",
        )
    )
    model = keras.models.load_model(str(run.last()[0]))
    assert type(model.optimizer).__name__ == "AdamW"
    assert type(model.loss.loss).__name__ == "Huber"
    assert any(isinstance(layer, keras.layers.ELU) for layer in run.model().layers)


def test_a_resumed_training_has_the_configured_loss(configured, eagerly, shallow):
    loss = (
        "train.loss.class_path=keras.losses.Huber",
        "train.loss.arguments={delta: 0.5}",
    )
    run = train(configured(*SHORT, *loss))
    tied = make_experiment(run.config)
    model = prepare_model(run, tied, tied.make_manifest(), steps=1)
    point = tf.constant([[2.0]])
    assert float(model.loss.loss(point, 0 * point)) == pytest.approx(0.5 * 1.75)


def test_a_step_finds_the_variables_of_its_optimizer(configured):
    """One that made them while it is traced would be traced twice."""
    config = configured("train.optimizer.class_path=keras.optimizers.Adam")
    tied = make_experiment(config)
    model = prepare_model(Run.prepare(config), tied, tied.make_manifest(), steps=1)
    pairs = 2 * len(model.trainable_variables)  # both moments
    assert len(model.optimizer.variables) >= pairs


def test_a_training_goes_on_by_our_optimizer_in_place_of_keras(configured):
    path, epsilon = "train.optimizer.class_path=keras.optimizers.", "{epsilon: 1e-8}"
    theirs, other = (
        configured(f"{path}{name}", f"train.optimizer.arguments={epsilon}")
        for name in ("Adam", "Nadam")
    )
    run = Run(Path(theirs.output), theirs)
    run.checkpoints.mkdir(parents=True)
    write_config(theirs, run.settings)
    run.state_file(1).touch()
    assert Run.prepare(configured()).last()[1] == 1
    with pytest.raises(InputError, match=r"train.optimizer.class_path: .*Nadam"):
        Run.prepare(other)


def test_a_misspelt_optimizer_is_reported_with_the_nearest_name(configured):
    with pytest.raises(InputError, match=r"did you mean keras.optimizers.AdamW\?"):
        train(configured("train.optimizer.class_path=keras.optimizers.AdmW"))


def test_weighted_keypoints_need_weights(people, coco_set):
    with pytest.raises(InputError, match="keypoint set coco has no `weights`"):
        weighted(people, replace(coco_set, weights=()))


def test_the_hardest_keypoints_alone_cost_more_than_all(
    configured, eagerly, shallow, tmp_path
):
    losses = [
        float(
            history(
                train(
                    configured(
                        *SHORT,
                        f"output={tmp_path / str(hardest)}",
                        f"train.hardest_keypoints={hardest}",
                    )
                )
            )[0]["loss"]
        )
        for hardest in (0, 4)
    ]
    assert losses[1] > losses[0]


def test_a_broken_training_image_ends_in_one_sentence(
    configured, edited, eagerly, shallow
):
    def misname(data):
        data["images"][0]["file_name"] = "broken.jpg"

    section = edited(misname)
    with pytest.raises(InputError, match=r"broken\.jpg.*does not exist"):
        train(configured(f"data.train.annotations={section.annotations}"))


def test_the_rate_falls_when_an_epoch_begins():
    section = TrainSection(learning_rate=0.1, drop_at=(2, 3), drop_factor=0.1)
    schedule = make_optimizer(section, steps=5)._learning_rate
    rates = [float(schedule(step)) for step in (0, 9, 10, 14, 15)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])


def test_threads_that_cannot_be_changed_any_more_are_reported(caplog):
    tf.constant(1) + 1
    limit_threads(TrainSection(operation_threads=1))
    assert "keeps its threads" in caplog.text


def test_gradients_are_clipped_by_their_global_norm():
    section = TrainSection(
        learning_rate=1.0,
        drop_at=(),
        clip_norm=1.0,
        optimizer=Component("keras.optimizers.SGD"),
    )
    variables = [tf.Variable([0.0, 0.0]), tf.Variable([0.0])]
    gradients = [tf.constant([2.0, 3.0]), tf.constant([6.0])]  # norm 7
    make_optimizer(section, 1).apply_gradients(zip(gradients, variables, strict=True))
    moved = np.concatenate([variable.numpy() for variable in variables])
    np.testing.assert_allclose(moved, [-2 / 7, -3 / 7, -6 / 7], rtol=1e-6)


def test_crops_are_normalised_inside_the_training_model(configured, tiny_model, rng):
    model = PoseExperiment(configured()).training_model(tiny_model)
    crops = rng.integers(0, 256, (2, 64, 32, 3)).astype(np.uint8)
    expected = tiny_model(preprocess_input(crops), training=False)
    np.testing.assert_allclose(model(crops, training=False), expected, atol=1e-4)


def test_colours_change_in_training_alone(configured, tiny_model, rng):
    config = configured(
        "data.augmentation.brightness=0.2", "data.augmentation.contrast=0.2"
    )
    model = PoseExperiment(config).training_model(tiny_model)
    crops = rng.integers(0, 256, (1, 64, 32, 3)).astype(np.uint8)
    until = model.get_layer("normalise").output
    colours = keras.Model(model.input, until)
    plain = preprocess_input(crops)
    np.testing.assert_allclose(colours(crops, training=False), plain, atol=1e-5)
    assert np.abs(colours(crops, training=True) - plain).max() > 0.01

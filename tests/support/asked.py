"""Exports that are asked in this process, which takes no seconds to begin."""

import numpy as np

from hrnet_tf.common.arrays import write_arrays
from hrnet_tf.export import compare, compare_found, verify
from hrnet_tf.export.processes import runtimes


def asking_here(patched, tmp_path_factory):
    """Exports answer in this process; what runs is what a fresh one runs.

    Args:
        patched: a `pytest.MonkeyPatch`, until whose end it holds.
        tmp_path_factory: for what is asked and answered.
    """

    def ask(artefact, signature, inputs):
        folder = tmp_path_factory.mktemp("asked")
        given, taken = folder / "inputs.npz", folder / "outputs.npz"
        write_arrays(given, inputs)
        runtimes.main(str(artefact), signature.name, str(given), str(taken))
        with np.load(taken) as answers:
            return dict(answers)

    for module in (compare, compare_found, verify):
        patched.setattr(module, "ask_in_fresh_process", ask)

"""`python -m benchmarks [NAME ...] [--json FILE]`; status 1 if a target is missed."""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import table

BENCHMARKS = {
    "serving": "an exported SavedModel against tf.function(model)",
    "memory": "what a process that answers takes, and what its first answer costs",
    "runtime": "an exported ONNX file in onnxruntime, and one in int8",
    "flavours": "TFLite against onnxruntime, integers against float32",
    "lite": "Lite-HRNet against HRNetV1 of width 32, beside the small ones",
    "predict": "what prediction in Python adds to the network alone",
    "folders": "predict on photographs and on a video against the bare graph",
    "bulk": "predict-many against the bare graph, and the memory that it takes",
    "grouping": "what follows a bottom-up network against its literal steps",
    "detection": "what surrounds a detector's convolutions, and its training steps",
    "export": "exports against those of Keras, TensorFlow and tf2onnx",
    "whole_export": "all that an export of the largest pose network costs",
    "reading": "a checkpoint against its file's bytes, and the memory it takes",
    "epochs": "epochs whose state is kept against epochs without it",
    "steps": "until the first training step, each one and its memory",
    "recompute": "steps that compute activations twice, and their memory",
    "training": "steps of a narrow network, by batch norm and by threads",
    "input_pipeline": "training batches against a PyTorch-style loader",
}
CORES = 2  # of the machine that the targets were set on


def use_two_cores() -> None:
    """Run here, and in what is started from here, on two cores and no GPU."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def main(argv: Sequence[str] | None = None) -> None:
    """Run benchmarks and print what came out."""
    described = "\n".join(f"  {name:15} {text}" for name, text in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=f"Speed on two cores, as ratios:\n{described}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.names) - BENCHMARKS.keys():
        parser.error(f"NAME must be one of {', '.join(BENCHMARKS)}; got {unknown}")
    use_two_cores()

    results = []
    for name in arguments.names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name]} ...", flush=True)
        found = importlib.import_module(f"benchmarks.{name}").run()
        print(table(found), flush=True)
        results += [{"benchmark": name, **result.to_json()} for result in found]
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=2) + "\n")
    missed = [result["title"] for result in results if not result["ok"]]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()

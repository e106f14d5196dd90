import contextlib

import pytest

from hrnet_tf.bulk import predict_many
from hrnet_tf.bulk.sources import Piece
from hrnet_tf.bulk.worker import PartWorker


@pytest.fixture
def here(monkeypatch):
    """Parts are done in this process: a worker of Ray's takes seconds to begin."""

    def done(ray, job, missing, workers):
        worker = PartWorker(job)
        for name, piece in missing:
            yield worker.do(name, Piece.from_json(piece.as_json()))

    monkeypatch.setattr(predict_many, "ray_engine", contextlib.nullcontext)
    monkeypatch.setattr(predict_many, "_done", done)

import fsspec
import pytest

from hrnet_tf.data import remote, stores
from support.web import Server


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture
def memory():
    """What fsspec keeps in memory, as an object store."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where copies lie; nobody waits between tries."""
    monkeypatch.setenv(remote.CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(stores, "PAUSE", 0.0)
    return tmp_path / "cache"

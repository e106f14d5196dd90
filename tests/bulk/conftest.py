import pytest

from hrnet_tf.bulk import predict_many


@pytest.fixture(scope="session")
def local_ray():
    """Ray's engine on this machine, begun once."""
    with predict_many._ray(None) as ray:
        yield ray

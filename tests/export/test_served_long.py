"""A served model for an hour: every good answer equal, memory at its level."""

import os
import sys

import pytest

from support.asking import THREADS, ask, ask_for, good_requests, malformed_requests

GROWTH = 64  # megabytes; a leak of an image a request would be thousands in an hour
# How long the nightly one lasts; see CONTRIBUTING.md.
HOUR = float(os.environ.get("HRNET_TF_SERVED_SECONDS", "3600"))


@pytest.mark.parametrize("seconds", [4, pytest.param(HOUR, marks=pytest.mark.slow)])
def test_a_server_answers_and_refuses_alike_to_the_end(seconds, server, capsys):
    def tell(line):
        with capsys.disabled():
            sys.stdout.write(f"\n{line}")
            sys.stdout.flush()

    is_long = seconds > 60
    found = ask_for(
        seconds,
        server,
        settle=120 if seconds > 300 else seconds / 3,
        **({"tell": tell} if is_long else {}),
    )
    assert found.wrong == []
    assert found.answered.total() == found.refused.total() >= 2 * THREADS
    assert found.growth < GROWTH
    if is_long:
        assert found.answered.keys() == good_requests().keys()
        assert found.refused.keys() == {kind for kind, _ in malformed_requests()}


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_every_malformed_request_is_refused_with_a_sentence(protocol, server):
    for case, request in malformed_requests().items():
        said = ask(server, protocol, *request)
        assert isinstance(said, str), case
        assert len(said) > 5, case

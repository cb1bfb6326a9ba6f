"""What PyTorch and ONNX Runtime are timed at is what this library computes."""

import pytest
from tests.benchmark.material import computes_the_same, label, pairs

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize(("name", "job"), pairs(needing=True), ids=label)
def test_a_peer_computes_the_same(name, job):
    computes_the_same(name, job)

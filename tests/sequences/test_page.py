"""The first example of the page on sequences answers rightly, whatever the seed."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/sequences.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_first_example_is_right(seed):
    seen = {}
    assert EXAMPLE.count("random_state=1, verbose=1") == 1
    exec(EXAMPLE.replace("random_state=1, verbose=1", f"random_state={seed}"), seen)
    model = seen["model"]
    assert model.predict(["message = self._charset.header_encode(value)"]).tolist() == ["email"]
    assert model.predict(["self.assertEqual(first, second)"]).tolist() == ["unittest"]
    losses = model.history_.validation_loss
    assert model.validation_loss_ == min(losses) < 0.6 * model.baseline_.loss
    assert losses[0] > min(losses) < losses[-1]

"""The reference leaves nothing public out, and the glossary no letter."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import throughtime
from throughtime import cells, errors, layers, losses
from throughtime.optimizers import RULES
from throughtime.optimizers.schedules import SCHEDULES

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
DOCUMENTED = re.findall(r"^\.\. auto\w+:: (\S+)", REFERENCE, re.MULTILINE)
SHOWN = {(ROOT / "docs" / path).resolve() for path in re.findall(r"literalinclude\} (\S+)", REFERENCE)}

PUBLIC = [f"throughtime.{name}" for name in throughtime.__all__ if name not in ("cells", "errors")]
LAYERS = [f"throughtime.layers.{name}" for name in layers.__all__]
LOSSES = [
    f"throughtime.losses.{name}"
    for name, value in vars(losses).items()
    if inspect.isclass(value) and issubclass(value, losses.Loss)
]
RULES_MADE = [f"throughtime.optimizers.{name}" for name in RULES]
SCHEDULE_KINDS = [f"throughtime.optimizers.schedules.{kind.__name__}" for kind in SCHEDULES.values()]
ERRORS = [
    f"throughtime.errors.{name}"
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, errors.ThroughtimeError)
]


@pytest.mark.parametrize("name", [*PUBLIC, *LAYERS, *LOSSES, *RULES_MADE, *SCHEDULE_KINDS, *ERRORS])
def test_a_public_name_is_in_the_reference(name):
    assert DOCUMENTED.count(name) == 1


@pytest.mark.parametrize("name", cells.names())
def test_the_file_of_a_cell_is_shown(name):
    assert Path(inspect.getsourcefile(cells.get(name).step)).resolve() in SHOWN


@pytest.mark.parametrize("letter", [*"TNDHKGAxhcUWbVauepo", "d_"])
def test_a_letter_is_in_the_glossary(letter):
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{letter}`[^|]*\| [^|]+ \| [^|]*\|$", glossary, re.MULTILINE)

"""What is public, and what it costs to come in."""

import subprocess
import sys
from types import ModuleType

import pytest

import throughtime

HEAVY = ["sklearn", "matplotlib", "numba", "rich", "typer"]


@pytest.mark.parametrize("name", throughtime.__all__)
def test_every_public_name_is_there(name):
    value = getattr(throughtime, name)
    assert isinstance(value, ModuleType) or value.__doc__
    assert value is getattr(throughtime, name)


def test_the_public_names_are_sorted_and_are_all_that_dir_tells():
    assert throughtime.__all__ == sorted(throughtime.__all__)
    assert dir(throughtime) == sorted([*throughtime.__all__, "__version__"])


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'throughtime' has no attribute 'Transformer'"):
        throughtime.Transformer  # noqa: B018


def test_everything_can_be_imported_at_once():
    names = {}
    exec("from throughtime import *", names)
    assert set(throughtime.__all__) <= set(names)


def fresh(code):
    """What a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_the_import_alone_loads_nothing_heavy():
    assert fresh(f"import sys, throughtime; print(*(set({[*HEAVY, 'numpy']!r}) & sys.modules.keys()))") == []


def test_silent_learning_writing_and_saving_load_nothing_heavy(tmp_path):
    code = f"""
import sys, throughtime
model = throughtime.TextGenerator(hidden_size=4, seq_len=8, max_steps=2, verbose=0).fit("to be or not to be. " * 9)
model.generate(5)
model.save({str(tmp_path / "model.safetensors")!r})
throughtime.load({str(tmp_path / "model.safetensors")!r}).predict("to be")
print(*(set({HEAVY!r}) & sys.modules.keys()))
"""
    assert fresh(code) == []


def test_sequences_load_nothing_heavy(tmp_path):
    code = f"""
import sys, throughtime
model = throughtime.SequenceClassifier(hidden_size=4, max_steps=2).fit([[1, 2], [3]], ["a", "b"])
model.save({str(tmp_path / "model.safetensors")!r})
throughtime.load({str(tmp_path / "model.safetensors")!r}).score([[1, 2], [3]], ["a", "b"])
print(*(set({HEAVY!r}) & sys.modules.keys()))
"""
    assert fresh(code) == []

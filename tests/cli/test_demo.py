"""The demonstration in words; tests/cli/test_processes.py runs it as it is."""

import re

import pytest
from tests.trained import TEXT

from throughtime.cli import demo


def test_the_text_is_that_of_python():
    text = demo.language_reference()
    assert len(text) > 300_000
    assert 'The "while" statement' in text


def test_it_says_where_things_are_and_how_to_go_on(cli, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "language_reference", lambda: TEXT * 3)
    result = cli("demo", "--minutes", 0.02, "--to", "deep/down")
    assert result.exit_code == 0
    first, *files, last = result.stdout.splitlines()
    assert re.match(r"It began at 2\.[67]\d nats", first)  # guessing costs the logarithm of 15
    for line, name in zip(files, ["model.safetensors", "learning_curve.png", "samples.txt"], strict=True):
        assert f"deep/down/{name}" in line
        assert (tmp_path / "deep" / "down" / name).is_file()
    assert last == 'Go on with: throughtime sample deep/down/model.safetensors --prime "The "'
    assert "for 0.02 min." in result.stderr


@pytest.mark.parametrize("existing", ["model.safetensors", "samples.txt"])
def test_a_folder_in_the_way_is_found_before_training(cli, tmp_path, existing):
    (tmp_path / "shown" / existing).mkdir(parents=True)
    result = cli("demo", "--to", "shown")
    assert result.exit_code == 2
    assert result.stderr == f"OutputError: 'shown/{existing}' is a folder; name a file in it\n"

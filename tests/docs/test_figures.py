"""What is said of speed stands in the records."""

import sys

from tests.docs.test_snippets import ROOT

from throughtime.benchmark.record import last


def test_the_tables_are_those_of_the_last_records(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import readme_table

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme_table.table(last(readme_table.RESULTS)) in readme
    assert readme_table.defaults_table(last(readme_table.DEFAULTS)) in readme
    sys.modules.pop("readme_table")


def test_the_files_of_the_compiled_engine_are_listed():
    listed = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    files = {path.name for path in (ROOT / "src/throughtime/engine/compiled").glob("*.py")} - {"__init__.py"}
    assert not {name for name in files if f"`{name}`" not in listed}

# Everything is done in a virtual environment of its own, .venv, which each target makes as needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
LOWEST := numpy==2.0.* llvmlite==0.46.* safetensors==0.5.* threadpoolctl==3.5.*

.PHONY: demo test test-oracles test-processors test-lowest lint format docs bench faults clean

demo: $(VENV)/.installed
	$(BIN)/throughtime demo

test: $(VENV)/.test
	OPENBLAS_NUM_THREADS=1 $(PYTEST) -n auto --ignore=tests/oracles

test-oracles: $(VENV)/.oracles
	OPENBLAS_NUM_THREADS=1 $(PYTEST) tests/oracles

# The compiled engine as other x86-64 processors run it: AVX2, and what all of them have.
test-processors: $(VENV)/.test
	THROUGHTIME_CPU_NAME=haswell OPENBLAS_NUM_THREADS=1 $(PYTEST) -n auto tests/engine/compiled
	THROUGHTIME_CPU_NAME=x86-64 OPENBLAS_NUM_THREADS=1 $(PYTEST) -n auto tests/engine/compiled

# The oldest of the libraries that compute and store.
test-lowest:
	$(MAKE) VENV=.venv-lowest .venv-lowest/.test
	.venv-lowest/bin/python -m pip install --quiet $(LOWEST)
	OPENBLAS_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n auto tests/engine tests/inspection tests/test_loading.py

lint: $(VENV)/.lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.docs
	$(BIN)/sphinx-build --fail-on-warning --quiet docs build/docs
	@echo "build/docs/index.html"

bench: $(VENV)/.bench
	$(BIN)/throughtime bench --all --to benchmarks/results/bench.jsonl

# Kills, signals, full disks, two trainings into one file, and blow-ups: half an hour.
faults: $(VENV)/.installed
	for script in kills signals full_disk two_processes blow_ups; do \
		OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/faults/$$script.py || exit 1; \
	done

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist out throughtime-demo src/*.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.%: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group $*
	touch $@

# The two commands of a newcomer: `make demo` and `make test`. Everything here is a plain command; see README.md.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export FACTORY_HOME ?= $(CURDIR)/data
export DAGSTER_HOME ?= $(FACTORY_HOME)/dagster
STAMP := $(VENV)/.installed

.PHONY: demo test test-full worlds check feature-page ui install clean benchmarks

demo: install  ## run the whole factory on the planted simulated world
	$(BIN)/factory demo

test: install  ## the tests a change has to pass, at most ten minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-full: install  ## everything, the slow fault and real-data tests included
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'slow or not slow'

worlds: install  ## direction skill of six null and two planted worlds, and the time they took
	$(BIN)/python -m pytest factory_assets_tests/worlds -m 'slow or not slow' -s --durations=0

check: install  ## style, types, import direction, no executable formats
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m factory_assets_tests.house_rules

feature-page: install  ## FEATURES.md again from the catalogue, after a feature was added or changed
	$(BIN)/python scripts/feature_page.py

ui: install  ## the web UI on loopback, with the runs of FACTORY_HOME in it
	$(BIN)/factory ui

benchmarks: install  ## figures beside their peers, medians of several runs
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt scripts/preflight.py
	$(PYTHON) scripts/preflight.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(STAMP)

clean:  ## remove the environment and caches; never the data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

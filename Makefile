# make demo · make test · make rescue · make lint · make bench · make test-all
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help

help:
	@echo "make demo       two paired bots on a simulated platform, in the browser"
	@echo "make test       everything: sets up what it needs, then all tests"
	@echo "make rescue     the main job: two daemons, two real gateways, a real pm2"
	@echo "make lint       ruff, mypy, import-linter"
	@echo "make bench      the figures of the README"
	@echo "make test-all   the tests under every supported Python this machine has"

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[apprise,fast,dev]'
	touch $@

setup: $(STAMP)

peers: $(STAMP)
	$(BIN)/python -m tests.peers.install

demo: $(STAMP)
	$(BIN)/opsbot demo

test: peers
	$(BIN)/python -m pytest --hypothesis-profile=thorough

rescue: peers
	$(BIN)/python -m pytest tests/e2e/test_rescue.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: peers
	$(BIN)/python -m benchmarks

test-all:
	@for version in 3.11 3.12 3.13; do \
	    if command -v python$$version >/dev/null && python$$version -c '' 2>/dev/null; then \
	        $(MAKE) test PYTHON=python$$version VENV=.venv-$$version || exit 1; \
	    else echo "python$$version is not here: skipped"; fi; \
	done

.PHONY: help setup peers demo test rescue lint bench test-all

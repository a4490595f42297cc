# Two targets do all set-up: `make repro` and `make test`. Both create the environment first.
PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
# Stages and hooks call `python` and `dvc` from PATH: an experiment's temporary copy has no .venv of its own.
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help env repro compare test lint format lock clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(VENV)/.installed ## create .venv from requirements.lock (again only when the lock changes)

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Python %d.%d is not supported: call make with PYTHON=python3.11 (or 3.12, 3.13)" % v)'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked environment into $(VENV) (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

repro: env ## run the pipeline of this folder: ingest to benchmark
	@dvc repro

compare: env ## run models x feature modes x seeds as experiments and write the comparison
	@python -m spline_lstm compare

test: env ## run the whole test suite
	@python -m pytest -n 2 --dist loadfile

lint: env ## format, lint and type checks
	@ruff format --check .
	@ruff check .
	@basedpyright

format: env ## format and mend what ruff can mend
	@ruff format .
	@ruff check --fix .

lock: env ## resolve requirements.lock again for all supported Pythons and systems
	@uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --no-emit-index-url --quiet --upgrade --output-file requirements.lock

clean: ## remove the environment and caches; data, models and the DVC cache stay
	@rm -rf $(VENV) .cache .pytest_cache .hypothesis .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

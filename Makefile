# Set-up is part of the targets: `make repro` and `make test` create the environment first.
# One .venv, two locks: requirements.lock has what `make repro` needs, requirements-all.lock has that and what tests,
# notebooks, service, page, trees and cluster need, with the same versions. `make repro` adds what is missing; it never
# removes what the larger lock installed.
PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
UV := $(VENV)/.uv-$(UV_VERSION)
BIN := $(CURDIR)/$(VENV)/bin
PIP := VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --quiet
ALL_EXTRAS := build service page trees store cluster tabular dev
# Stages and hooks call `python` and `dvc` from PATH: an experiment's temporary copy has no .venv of its own.
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
# Without byte code each stage and each test process would compile all modules of the project again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help env env-all repro compare serve dashboard test notebooks lint format lock clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(VENV)/.installed ## create .venv from requirements.lock, or add what is missing (again only when the lock changes)

env-all: $(VENV)/.installed-all ## the same from requirements-all.lock: tests, notebooks, service, page, trees, cluster

$(VENV)/.installed: requirements.lock pyproject.toml | $(UV)
	@echo "installing requirements.lock into $(VENV) (a minute or more the first time)"
	@$(PIP) install --quiet --compile-bytecode --require-hashes --requirements requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The larger lock contains the smaller one, so both are installed afterwards.
$(VENV)/.installed-all: requirements-all.lock pyproject.toml | $(UV)
	@echo "installing requirements-all.lock into $(VENV) (some minutes the first time)"
	@$(PIP) sync --quiet --compile-bytecode --require-hashes requirements-all.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.installed $@

$(UV):
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Python %d.%d is not supported: call make with PYTHON=python3.11 (or 3.12, 3.13)" % v)'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

repro: env ## run the pipeline of this folder: ingest to report; PIPELINE=NAME: that of pipelines/NAME
	@python -m spline_lstm.experiments.warm_stages dvc repro $(if $(PIPELINE),pipelines/$(notdir $(PIPELINE:%/=%))/dvc.yaml)

compare: env ## run models x feature modes x seeds as experiments and write the comparison
	@python -m spline_lstm compare

serve: env-all ## serve forecasts of this folder over HTTP (docs/service.md)
	@python -m spline_lstm serve

dashboard: env-all ## show this folder and its pipelines in a browser (docs/dashboard.md)
	@python -m spline_lstm dashboard

test: env-all ## run the whole test suite
	@python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

notebooks: env-all ## run the notebooks on the pipeline of this folder and keep their outputs in .ipynb files
	@dvc repro evaluate
	@python -m tools.notebooks

lint: env-all ## check format, lint, types and words
	@ruff format --check .
	@ruff check .
	@basedpyright
	@python -m tools.words

format: env-all ## format, and fix what ruff can fix
	@ruff format .
	@ruff check --fix .

lock: env ## resolve both locks again for all supported Pythons and systems
	@$(COMPILE) $(ALL_EXTRAS:%=--extra %) --upgrade --output-file requirements-all.lock > /dev/null
	@$(COMPILE) --extra build --constraints requirements-all.lock --upgrade --output-file requirements.lock > /dev/null

clean: ## remove the environment and caches; data, models and the DVC cache stay
	@rm -rf $(VENV) .cache .pytest_cache .hypothesis .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

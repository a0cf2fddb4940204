# make repro     set up, check, run the pipeline, check the registry    make test   set up, run the tests
# make retrain   set up, darkroom retrain: what CI does                 make ui     the MLflow UI
# make lint      ruff, mypy, workflows, compose.yaml
# EXTRA=gpu installs TensorFlow with CUDA; PYTHON=python3.12 chooses the interpreter of the environment.

.DEFAULT_GOAL := help
.PHONY: help setup check repro retrain test test-slow test-servers test-thorough test-large lint format ui bench lock

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$python && break; done)
EXTRA ?= cpu
LOCK := requirements$(if $(filter gpu,$(EXTRA)),-gpu).lock
BIN := .venv/bin
# An environment knows its own place: in a moved or copied folder it would run the original's code.
HERE := $(shell pwd | cksum | cut -d' ' -f1)
INSTALLED := .venv/installed-$(EXTRA)-$(HERE)

# Tools and stages are those of the environment, whatever is activated.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1

help:
	@sed -n 's/^# \(make.*\)/\1/p; /^EXTRA/q' Makefile

setup: $(INSTALLED)

$(INSTALLED): $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "setup: no Python 3.11 to 3.13 found; install one, or name it: make PYTHON=/path/to/python"; exit 2; }
	@echo "setup: environment in .venv from $(LOCK)"
	@ls .venv/installed-*-$(HERE) >/dev/null 2>&1 || rm -rf .venv
	@rm -f .venv/installed-*
	@$(PYTHON) -m venv .venv
	@# uv itself comes through pip and the same lock; it installs the rest, compiled, in a quarter of pip's time.
	@sed -n '/^uv==/,/[^\\]$$/p' $(LOCK) > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock
	@index=$$($(BIN)/python -m pip config get global.index-url 2>/dev/null); \
	export UV_DEFAULT_INDEX=$${UV_DEFAULT_INDEX:-$$index}; test -n "$$UV_DEFAULT_INDEX" || unset UV_DEFAULT_INDEX; \
	$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode $(LOCK) && \
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

check: setup
	@darkroom check

repro: setup
	@darkroom check --inputs
	@python -m compileall -q src pipeline
	@dvc repro
	@darkroom check --registry

retrain: setup
	@darkroom retrain

test: setup
	@python -m pytest -n 2 --dist loadfile

test-slow: setup
	@python -m pytest -m "slow and not servers and not large and not thorough" -n 3 --dist loadscope

test-servers: setup
	@python -m pytest -m servers

test-thorough: setup
	@python -m pytest -m thorough -n 2

test-large: setup
	@python -m pytest -m large

lint: setup
	@ruff check
	@ruff format --check
	@mypy
	@check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	@zizmor --offline --no-progress --quiet .github/workflows

format: setup
	@ruff check --fix
	@ruff format

ui: setup
	@darkroom ui

bench: setup
	@python -m benchmarks.digits

lock: setup
	@for extra in cpu gpu; do \
		uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
			--extra $$extra --extra s3 --extra dev --extra install pyproject.toml \
			-o requirements$$(test $$extra = gpu && echo -gpu).lock; \
	done

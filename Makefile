# make repro     set up, check, run the pipeline, check the registry    make test   set up, run the fast tests
# make retrain   set up, darkroom retrain, as in CI                     make ui     set up, open the MLflow UI
# make lint      ruff, mypy, imports, workflows, compose.yaml           make bench  default pipeline with five seeds
# make mutants   mutation tests of what decides, see tests/mutants.toml
# EXTRA=gpu installs TensorFlow with CUDA; PYTHON=python3.12 selects the interpreter of the environment.

.DEFAULT_GOAL := help
.PHONY: help setup check repro retrain test test-slow test-servers test-thorough test-large mutants lint format ui bench lock

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$python && break; done)
EXTRA ?= cpu
LOCK := requirements$(if $(filter gpu,$(EXTRA)),-gpu).lock
BIN := .venv/bin
# An environment stores its path: in a moved or copied folder it would run the original's code.
HERE := $(shell pwd | cksum | cut -d' ' -f1)
INSTALLED := .venv/installed-$(EXTRA)-$(HERE)
# Whenever the environment's Python starts, its programs are in PATH: .venv/bin/dvc runs stages with it, activated or not.
PROGRAMS := import os, sys; here = os.path.join(sys.prefix, "bin"); places = os.environ.get("PATH", os.defpath).split(os.pathsep); \
	here in places or os.environ.update(PATH=os.pathsep.join([here, *places]))
# Whether the system has certificates, which pip trusts too; without them, uv uses its own.
CERTIFIED := import glob, ssl; place = ssl.get_default_verify_paths(); \
	print("true" if place.cafile or glob.glob(f"{place.capath}/*.0") else "false")

# Commands and stages use this environment, even if another one is active.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
# Of the user's other programs: packages that would come before this environment's.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1

help:
	@sed -n 's/^# \(make.*\)/\1/p; /^EXTRA/q' Makefile

setup: $(INSTALLED)

$(INSTALLED): $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "setup: no Python 3.11 to 3.13 found; install one, or run make PYTHON=/path/to/python"; exit 2; }
	@echo "setup: creating the environment .venv from $(LOCK); takes about a minute, once"
	@echo "setup: step 1 of 4, creating .venv with $(PYTHON)"
	@ls .venv/installed-*-$(HERE) >/dev/null 2>&1 || rm -rf .venv
	@rm -f .venv/installed-*
	@$(PYTHON) -m venv .venv
	@# pip installs uv from the same lock; uv installs and compiles the rest in a quarter of pip's time.
	@echo "setup: step 2 of 4, installing uv"
	@sed -n '/^uv==/,/[^\\]$$/p' $(LOCK) > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock
	@echo "setup: step 3 of 4, downloading, installing and compiling $$(grep -c '^[a-z].*==' $(LOCK)) packages"
	@index=$$($(BIN)/python -m pip config get global.index-url 2>/dev/null); \
	export UV_SYSTEM_CERTS=$${UV_SYSTEM_CERTS:-$$($(BIN)/python -c '$(CERTIFIED)')}; \
	export UV_DEFAULT_INDEX=$${UV_DEFAULT_INDEX:-$$index}; test -n "$$UV_DEFAULT_INDEX" || unset UV_DEFAULT_INDEX; \
	$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode $(LOCK) && \
	echo "setup: step 4 of 4, installing Darkroom" && \
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@echo '$(PROGRAMS)' > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/darkroom-programs.pth"
	@touch $@

check: setup
	@darkroom check

repro: setup
	@darkroom check --inputs
	@python -m compileall -q src pipeline networks
	@dvc repro
	@darkroom check --registry
	@echo "read on: reports/index.html"

retrain: setup
	@darkroom retrain

test: setup
	@python -m pytest -n 2 --dist loadfile

test-slow: setup
	@python -m pytest -m "slow and not servers and not large and not thorough" -n 3 --dist loadscope --no-loadscope-reorder

test-servers: setup
	@python -m pytest -m servers

test-thorough: setup
	@python -m pytest -m thorough -n 2

test-large: setup
	@python -m pytest -m large

mutants: setup
	@python tests/mutants.py $(MODULES)

lint: setup
	@ruff check
	@ruff format --check
	@lint-imports --no-cache > /dev/null || lint-imports --no-cache
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

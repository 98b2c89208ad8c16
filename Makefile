# Every target makes what it needs. `make help` lists them.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
# Workers that are done take over what others have not begun.
PYTEST := -m pytest -q -n auto --dist worksteal
# Where coverage is asked for, `test` measures it as it goes, so that no test runs twice.
MEASURED := $(filter check cover test-all,$(MAKECMDGOALS))
COVERAGE := $(if $(MEASURED),-m coverage run)
# The tests start programs by the hundred; whose code is compiled each time, start at half the speed.
test cover: export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help up setup build lock fmt lint types contracts test check test-all cover native-check compose-check bench docs pictures clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

up: build  ## node, proxy and miner on this machine; ARGS="--blocks 3" and the like are passed on
	@$(VENV)/bin/headframe up $(ARGS)

setup: $(VENV)/.run  ## make the virtual environment with what the programs need

$(VENV)/.run: requirements.lock scripts/setup
	@scripts/setup run "$(PYTHON)"

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@scripts/setup dev "$(PYTHON)"

KERNELS := $(wildcard native/c/*.c native/c/*.h) native/build.py setup.py pyproject.toml

build: $(VENV)/.built  ## compile the kernels and install the project into the environment

$(VENV)/.built: $(KERNELS) $(VENV)/.run
	@scripts/setup build "$(PYTHON)"

lock:  ## resolve the dependencies anew and write the three locks
	@scripts/lock

fmt: $(VENV)/.dev  ## format the Python code
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

lint: $(VENV)/.dev  ## ruff, formatting included
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check .

types: $(VENV)/.dev build  ## mypy --strict
	@$(VENV)/bin/mypy

contracts: $(VENV)/.dev build  ## the layers: who may import whom
	@$(VENV)/bin/lint-imports --no-cache

test: $(VENV)/.dev build  ## everything that is quick
	@$(if $(MEASURED),$(PY) -m coverage erase)
	@$(PY) $(COVERAGE) $(PYTEST) -m "not slow" $(ARGS)

check: lint types contracts cover  ## lint, types, layers, tests with branch coverage: the whole truth

test-all: test native-check cover  ## test, then the sanitizers, the slow tests and the coverage gates

cover: test  ## all tests, the slow ones too, coverage with branches, and its gates
	@scripts/coverage

native-check:  ## the C code under the address and undefined-behaviour sanitizers
	@scripts/native-check

compose-check: $(VENV)/.dev build  ## docker-compose.yml, for each profile; needs no Docker
	@DOCKER_COMPOSE=$$(scripts/compose-from-debian) && export DOCKER_COMPOSE && \
	  $(PY) -m pytest -q tests/system/test_compose.py

bench: build  ## speed, side by side in one run
	@$(PY) -m bench $(ARGS)

docs: $(VENV)/.dev build  ## write the generated pages, examples and dashboards anew
	@$(PY) scripts/docs.py
	@$(PY) scripts/dashboards.py

pictures: $(VENV)/.dev build  ## take the README's pictures from a real run of 15 minutes
	@PYTHONPATH=. $(PY) scripts/pictures.py $(ARGS)

clean:  ## remove the environment and everything built
	@rm -rf $(VENV) build dist *.egg-info native/_native*.so native/_native.c .coverage* htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Needs make and Python 3.11 to 3.13; everything else goes into .venv on the first call.
# Another interpreter: make test PYTHON=python3.12
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ifndef PYTHON
PYTHON := $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
endif

BIN := .venv/bin
READY := .venv/.ready
DOCS_READY := .venv/.docs-ready
SHIPPED := build/typecheck
# One thread a process: OpenMP threads that wait for each other cost more than they bring.
ONE_THREAD := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
# Modules are compiled once and kept, whatever the environment says: otherwise every process that a
# test starts compiles torch anew, which takes longer than many a test.
export PYTHONDONTWRITEBYTECODE :=
WORKERS ?= 2
# Tests of one file stay together, as they share fits, until a worker has nothing left to do.
SHARED := -n $(WORKERS) --dist worksteal
ARGS ?=
comma := ,

.PHONY: help demo test test-slow notebooks docs lint format bench bench-peers bench-answers bench-growth clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## Fit, impute and judge on a table with a known answer; writes out/demo
	$(ONE_THREAD) $(BIN)/absentia demo --out out/demo

test: $(READY) ## Tests, doctests and README examples (ARGS="-k weights" for a selection)
	$(ONE_THREAD) $(BIN)/python -m pytest tests $(SHARED) $(ARGS)

test-slow: $(READY) ## Only the tests marked slow, the notebooks among them
	$(ONE_THREAD) $(BIN)/python -m pytest tests -m slow $(SHARED) $(ARGS)

notebooks: $(READY) ## Run the notebooks, and compare with the outputs that are stored
	$(ONE_THREAD) $(BIN)/python -m pytest tests/experiments/test_notebooks.py -m slow $(SHARED)

docs: $(DOCS_READY) ## Build the site in docs/_build/html, offline, with warnings as errors
	$(ONE_THREAD) $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

lint: $(READY) ## Style, types of what ships, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --target $(SHIPPED) .
	rm -rf build/lib build/bdist.* absentia.egg-info
	set -o pipefail; MYPYPATH=$(SHIPPED) $(BIN)/mypy -p absentia | sed 's,^$(SHIPPED)/absentia/,,'
	$(BIN)/lint-imports --no-logo

format: $(READY) ## Repair what ruff can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## Time the bound and the imputer
	$(BIN)/python -m absentia.experiments.bench

bench-peers: $(READY) ## Other libraries in environments of their own, and ours, on the same tables
	$(ONE_THREAD) $(BIN)/python -m absentia.experiments.bench.peers $(ARGS)

bench-answers: $(READY) ## Time until a fit's bound is within .005 nats of its best
	$(ONE_THREAD) $(BIN)/python -m absentia.experiments.bench.answers $(ARGS)

bench-growth: $(READY) ## Time and memory up to a million rows and a thousand columns
	$(ONE_THREAD) $(BIN)/python -m absentia.experiments.bench.growth $(ARGS)

clean: ## Remove everything made here, .venv included
	rm -rf .venv .peers build dist out absentia.egg-info docs/_build docs/api/generated
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Only what is imported is compiled, when it first is: half of what pip would compile never is.
INSTALL = $(BIN)/python -m pip install --quiet --no-compile -c constraints.txt
define install_with
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=..."; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(INSTALL) torch==2.13.0 setuptools
	$(INSTALL) --no-build-isolation -e ".[$(1)]"
endef

$(READY): pyproject.toml constraints.txt
	$(call install_with,dev)
	touch $@

# what is installed at once is resolved once
$(DOCS_READY): pyproject.toml constraints.txt
	$(call install_with,dev$(comma)docs)
	touch $(READY) $@

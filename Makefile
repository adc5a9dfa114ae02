# Everything a newcomer needs: `make demo` and `make test`. See README.md.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# On Linux PyPI's torch brings CUDA along (several GB); the CPU build has an index of its own. It is asked first and
# once; where it cannot be reached, pip's other sources decide.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# pip compiles file by file on one core. Here torch is compiled while pip looks for the rest, and that on all cores.
# Some packages carry templates that are no Python, at which compileall complains.
PIP     := $(BIN)/python -m pip install --quiet --no-compile -c constraints.txt
COMPILE := $(BIN)/python -m compileall -qq $(VENV)/lib

export KNOWLEDGE_HOME  ?= $(CURDIR)/.knowledge
export KNOWLEDGE_INBOX ?= $(CURDIR)/examples/inbox

.DEFAULT_GOAL := help
.PHONY: help install demo dev test unit lint format bench fuzz clean

help: ## what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## create .venv with the pinned dependencies

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make install PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --upgrade "pip>=25"
	$(PIP) --no-deps --retries 0 --timeout 15 \
		$(if $(filter Linux,$(shell uname -s)),--extra-index-url $(TORCH_INDEX)) torch
	$(PIP) --no-build-isolation hatchling editables
	$(COMPILE) > /dev/null 2>&1 & $(PIP) --no-build-isolation -e '.[pipeline,dev]' && wait
	@$(COMPILE) -j 0 > /dev/null 2>&1 || true
	@touch $(STAMP)

demo: install ## ingest examples/inbox and ask it questions
	@$(BIN)/knowledge demo

dev: install ## Dagster UI on http://localhost:3000 with sensor, daemon and database running
	@$(BIN)/knowledge dev

test: install ## lint, types, tests
	@$(MAKE) --no-print-directory -j 2 unit lint

unit: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install ## the ingest benchmark
	$(BIN)/python -m benchmarks.ingest

fuzz: install ## mutate samples of every format for a minute
	$(BIN)/python -m benchmarks.fuzz

clean: ## remove the data of the demo (not .venv)
	rm -rf .knowledge .tmp

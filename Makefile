# Everything a person or CI calls. `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
WORKERS ?= 2

.PHONY: help setup demo run test check chaos bench format lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Isodose needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP) ## make .venv with the locked versions; the command is .venv/bin/isodose

demo: setup ## start everything in one process, load the sample patients, print what is advised (ARGS=--exit to end there)
	$(BIN)/isodose demo $(ARGS)

run: setup ## start everything in one process on port 8000 (ARGS="--port 9000")
	$(BIN)/isodose up $(ARGS)

check: setup ## style, types, dependency rule, data files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .

test: setup ## all tests, on WORKERS cores; Kafka and PostgreSQL are started by the tests (CI=true: they must run)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

chaos: setup ## kill, pause, cut off and fill the disks of services, Kafka and PostgreSQL under load, and compare the end with a run without (ARGS="--faults 200 --seed 1")
	$(BIN)/pytest tests/chaos -s $(or $(ARGS),--faults 200)

bench: setup ## measure beside named references in the same run (ARGS="cards relay", ARGS=--growth, ARGS=--keep: docs/performance.md)
	$(BIN)/python -m benchmarks $(ARGS)

format: setup ## rewrite to the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## resolve the dependencies anew into the two lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --upgrade pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --upgrade --group pyproject.toml:dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## remove what was made
	rm -rf $(VENV) var build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache deploy/kafka/target tests/hapi/target tests/hapi/ehr/target tests/npm/target tests/deploy/target benchmarks/target

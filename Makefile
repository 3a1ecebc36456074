# `make` lists the targets. Everything happens in .venv, made from the first Python 3.11 or later.

VENV := .venv
BIN := $(VENV)/bin
OLDEST := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c '$(OLDEST)' 2> /dev/null && echo "$$python" && break; done)
DEMO := out/demo

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint docs bench bench-full golden build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

QUARTER := --scenario normal-ops --from 2024-01-01 --to 2024-03-31 --seed 12345
demo: $(VENV)/.demo ## a quarter of normal-ops as Parquet in out/demo, and in a PostgreSQL of its own
	$(BIN)/polargen generate $(QUARTER) -o $(DEMO) --verify
	MOCK_DATA_ENABLED=true $(BIN)/polargen generate $(QUARTER) --no-dry-run --database embedded --verify
	$(BIN)/polargen server --psql < scripts/demo.sql
	@echo "The commands are in $(BIN); to use them as shown:  . $(BIN)/activate"

serve: $(VENV)/.serve ## serve the HTTP API and the console at http://127.0.0.1:8000
	$(BIN)/polargen serve --database embedded

test: $(VENV)/.dev ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.dev ## check format, style and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

docs: $(VENV)/.dev ## run the commands in the documents and write what they print
	$(BIN)/python scripts/update_docs.py

bench: $(VENV)/.bench ## measure polargen and its peers, into benchmarks/results
	$(BIN)/python -m benchmarks.run

bench-full: $(VENV)/.bench ## the same with more runs, up to 300 million rows
	$(BIN)/python -m benchmarks.run --effort full

golden: $(VENV)/.dev ## write the golden digests anew, after a wanted change of the data
	$(BIN)/python scripts/make_golden.py

build: $(VENV)/.dev ## build a wheel into dist
	$(BIN)/python -m build --wheel

clean: ## remove .venv and what was built
	rm -rf $(VENV) build dist

$(VENV)/.demo: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRAS='[embedded]' MARK=$@

$(VENV)/.serve: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRAS='[api,embedded]' MARK=$@

$(VENV)/.dev: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRAS='[dev,embedded,api]' MARK=$@

$(VENV)/.bench: pyproject.toml
	@$(MAKE) --no-print-directory install EXTRAS='[dev,embedded,bench]' MARK=$@

.PHONY: install
install:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or later found; install one" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(EXTRAS)'
	@touch $(MARK)

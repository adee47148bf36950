# Every target makes the environment it needs in .venv, once: the stamps below are out of date only
# when pyproject.toml or constraints.txt is newer. Nothing but python3 (3.11 or later) is presumed.

PYTHON ?= python3
DATA ?= digits
WORKERS ?= auto

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.stamp-core
FULL := $(VENV)/.stamp-test
DOCS := $(VENV)/.stamp-docs
PIP := $(BIN)/python -m pip --disable-pip-version-check

BENCHMARKS := training time_to_quality small_data scaling inference memory startup search table_speed gpu
PEERS := $(patsubst benchmarks/peers/%.txt,%,$(wildcard benchmarks/peers/*.txt))

# One thread for each worker: two pools of threads on the same cores only wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-slow lint format docs bench bench-peers clean
.DELETE_ON_ERROR:

help: ## show this list
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(CORE) ## fit, score and draw on real digits into demo-output/ (DATA=digits or mnist)
	@$(BIN)/python examples/demo.py --data $(DATA)

test: $(FULL) ## run tests and doctests (COVERAGE=1 for coverage; WORKERS=0 for a single process)
	@$(PYTEST) -n $(WORKERS) --maxprocesses=8 $(if $(COVERAGE),--cov --cov-report=term)

test-slow: $(FULL) ## run the tests marked slow
	@$(PYTEST) -n $(WORKERS) --maxprocesses=8 --dist worksteal -m slow || { code=$$?; \
		[ $$code -eq 5 ] && echo "No test is marked slow." || exit $$code; }

lint: $(FULL) ## check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(FULL) ## repair style and format in place
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

docs: $(DOCS) ## build the documentation into docs/_build/html, with every example in its short form
	@OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

bench: $(CORE) ## run every benchmark (some hours with all peers): tables here, JSON in bench-output/
	@mkdir -p bench-output
	@for name in $(BENCHMARKS); do \
		$(BIN)/python benchmarks/$$name.py --json bench-output/$$name.json || exit 1; done
	@$(BIN)/python benchmarks/training.py --network conv --rows 10000 --json bench-output/conv.json

bench-peers: $(PEERS:%=benchmarks/peers/%/.stamp) ## install the libraries that `make bench` compares with

clean: ## remove what the other targets wrote, .venv aside
	@rm -rf demo-output bench-output htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .mypy_cache dist build
	@rm -rf docs/_build docs/auto_examples docs/generated docs/_static/explorers examples-output examples/examples-output
	@find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "skvae needs Python 3.11 or later; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing skvae into $(VENV) (once; PyTorch is large, so this can take minutes) ..."
	@$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(FULL): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing skvae and its test tools into $(VENV) (once; this can take minutes) ..."
	@$(PIP) install --quiet -c constraints.txt -e ".[test]"
	@touch $(CORE) $@

benchmarks/peers/%/.stamp: benchmarks/peers/%.txt
	@echo "Installing $* into benchmarks/peers/$* (once) ..."
	@$(PYTHON) -m venv benchmarks/peers/$*
	@benchmarks/peers/$*/bin/python -m pip --disable-pip-version-check install --quiet -r $<
	@touch $@

$(DOCS): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing skvae and what its documentation needs into $(VENV) (once) ..."
	@$(PIP) install --quiet -c constraints.txt -e ".[docs]"
	@touch $(CORE) $@

# Every target makes the environment it needs in .venv, once: the stamps below are out of date only
# when pyproject.toml or constraints.txt is newer. Nothing but python3 (3.11 or later) is presumed.

PYTHON ?= python3
DATA ?= digits
WORKERS ?= auto

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.stamp-core
FULL := $(VENV)/.stamp-test
PIP := $(BIN)/python -m pip --disable-pip-version-check

# One thread for each worker: two pools of threads on the same cores only wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-slow lint format clean
.DELETE_ON_ERROR:

help: ## show this list
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(CORE) ## fit, score and draw on real digits into demo-output/ (DATA=digits or mnist)
	@$(BIN)/python examples/demo.py --data $(DATA)

test: $(FULL) ## run tests and doctests, with coverage (WORKERS=0 for a single process)
	@$(PYTEST) -n $(WORKERS) --maxprocesses=8 --cov --cov-report=term

test-slow: $(FULL) ## run the tests marked slow, one at a time
	@$(BIN)/python -m pytest -m slow || { code=$$?; \
		[ $$code -eq 5 ] && echo "No test is marked slow." || exit $$code; }

lint: $(FULL) ## check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(FULL) ## repair style and format in place
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

clean: ## remove what the other targets wrote, .venv aside
	@rm -rf demo-output htmlcov .coverage .coverage.* .pytest_cache .ruff_cache .mypy_cache dist build
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

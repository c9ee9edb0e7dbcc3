# The README's commands: `make study`, `make test`, `make test-long`. Each creates .venv if it is missing or stale.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROCESSES ?= 2
INPUTS := pyproject.toml constraints.txt Makefile

.DEFAULT_GOAL := help
.PHONY: help study test test-long test-gpu test-lowest check format install install-dev

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

study: install ## run the default study on generated images and print the trade-off table
	@$(BIN)/modstudy run default

test: check ## lint, type checks, import layering and all tests except the long ones
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --no-loadscope-reorder

test-long: install-dev ## tests that need several nodes, a browser or a database server, or that take long
	tests/system-packages.sh
	$(BIN)/python -m pytest -m long --numprocesses $(PROCESSES) --no-loadscope-reorder

# Deprecation warnings do not fail it: an old release may use what a newer one of its own dependencies deprecates.
test-gpu: install-dev ## tests that need a GPU (CUDA or Apple's mps); says so and fails where there is none
	@$(BIN)/python tests/needs_gpu.py
	$(BIN)/python -m pytest -m gpu

test-lowest: ## the quick tests with the lowest versions that pyproject.toml allows, in a virtual environment of their own
	$(PYTHON) -m venv --clear .venv-lowest
	$(PYTHON) tests/lowest_versions.py > .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet --constraint .venv-lowest/lowest.txt --editable ".[dev]"
	.venv-lowest/bin/python -m pytest -W default::DeprecationWarning tests/search_spaces tests/results tests/contract tests/study/plan tests/study/tracking

check: install-dev ## lint, type checks and import layering only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev ## format the code and apply automatic lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: ## create .venv with the pinned packages
	@$(call ensure,runtime,.)

install-dev: ## the same, with the test and lint tools
	@$(call ensure,dev,".[dev]")

# $(call ensure,<stamp>,<what to install>) does nothing while the stamp in .venv matches the hash of the inputs, the
# interpreter and the folder. Any difference (new pins, another Python, a moved checkout) recreates .venv. Runtime and dev
# share it, so switching from one to the other only adds packages. Nothing is compiled at once: pip would compile all of
# some 28,000 modules, a sixth of which are ever imported, and Python compiles those then.
define ensure
set -eu; \
$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); ok or sys.exit("modulation-study needs CPython 3.11 to 3.13, and $(PYTHON) is " + sys.version.split()[0] + ": run make with another one, for example PYTHON=python3.12")'; \
want="$$( { cat $(INPUTS); $(PYTHON) -VV; pwd; } | cksum)"; \
if [ "$$(cat $(VENV)/.stamp 2>/dev/null)" != "$$want" ] || ! $(BIN)/python -c '' 2>/dev/null; then \
  echo "Creating $(VENV) ..."; rm -rf $(VENV); $(PYTHON) -m venv $(VENV); \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip; \
  echo "$$want" > $(VENV)/.stamp; \
fi; \
if [ ! -e $(VENV)/.$(1) ]; then \
  echo "Installing the pinned packages ($(1)); this takes a few minutes the first time ..."; \
  $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --build-constraint constraints.txt --editable $(2); \
  touch $(VENV)/.$(1); \
fi
endef

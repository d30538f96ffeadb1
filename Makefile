# make demo     run the main job on SQLite
# make test     run the tests            (make test PYTEST_ARGS="-n auto -k journal")
# make check    format, lint, types, import rules
# make bench    measure, and print the table
# make clean    remove what these made
#
# Each installs what it needs into .venv first. Another Python: make PYTHON=python3.12 test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST_ARGS ?=

.PHONY: demo test check bench clean

demo: $(VENV)/package
	$(BIN)/charter demo

test: $(VENV)/dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# The two stamps: what runs the package, and what develops it.
$(VENV)/package: pyproject.toml | $(BIN)/pip
	$(PIP) install --editable .
	@touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/pip
	$(PIP) install --editable '.[dev]'
	@touch $@ $(VENV)/package

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "charter-persist needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "this Python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

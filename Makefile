# make chat   the chat page on the embedded model (ARGS="--port 8000 --host 0.0.0.0" and the like are passed on)
# make test   everything that CI checks: ruff, mypy, pytest
# Both set up .venv at their first call. Another interpreter: make test PYTHON=python3.12

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: chat test check lint types pytest setup

chat: .venv/.installed
	$(BIN)/gpt-video chat --open $(ARGS)

test: check

check: lint types pytest

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/mypy

# Two processes of one thread: the tests' tensors are tiny, and threads would only wait for each other. "worksteal" gives each half of
# the files in their order, so that few fixtures of a file are made twice.
pytest: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

setup: .venv/.installed-dev

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "No python3 found: install Python 3.11 or newer, or name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than Python 3.11: install a newer one, or name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) cannot make a virtual environment: on Debian, apt-get install python3-venv"; exit 1; }

# PyTorch first and alone: it is the largest download, and one that pip can keep when the rest fails.
.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) $(TORCH)
	$(INSTALL) --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(INSTALL) --editable '.[dev]'
	@touch $@

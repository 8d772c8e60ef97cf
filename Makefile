# `make demo` and `make test` do all their own set-up: they need Python 3.11+, make, and nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV  := .venv
PY    := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# Demo, tests and benchmarks take extra arguments: make test ARGS='-k envelope'
ARGS  ?=

# Override with make PYTHON=/path/to/python. Each candidate has to run, not only to exist: version managers leave
# commands on PATH that fail. Expanded only where the environment is created.
USABLE = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c '$(USABLE)' >/dev/null 2>&1 && echo $$p && break; done)

define NO_PYTHON
No usable Python was found$(if $(PYTHON), ($(PYTHON) is not)).
Needed: Python 3.11 or newer with its venv module.
  Debian, Ubuntu:  apt install python3 python3-venv
  elsewhere:       make <target> PYTHON=/path/to/python3
endef
export NO_PYTHON

.PHONY: help venv demo test lint bench clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*## ' '{printf "  make %-6s %s\n", $$1, $$2}'

venv: $(STAMP) ## Create .venv with the package and its tools

$(STAMP): pyproject.toml
	@if ! $(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		'$(PYTHON)' -c '$(USABLE)' >/dev/null 2>&1 || { printf '%s\n' "$$NO_PYTHON" >&2; exit 1; }; \
		echo "==> creating $(VENV) with $$('$(PYTHON)' --version)"; \
		'$(PYTHON)' -m venv --clear $(VENV); \
	fi
	@echo "==> installing the package and its tools into $(VENV) (a minute, the first time)"
	@$(PY) -m pip --disable-pip-version-check install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## Shop, consumer, outbox relay and live traffic; ARGS=--once for a bounded run
	@$(PY) manage.py demo $(ARGS)

test: lint ## Lint, types, import contracts and the whole suite
	@echo "==> pytest"
	@$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(STAMP) ## Lint, format, types and import contracts
	@echo "==> ruff"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@echo "==> mypy"
	@$(PY) -m mypy
	@echo "==> import contracts"
	@$(VENV)/bin/lint-imports

bench: $(STAMP) ## Benchmarks: ratios to a hand-written redis-py loop
	@$(PY) -m benchmarks $(ARGS)

clean: ## Remove the environment, caches and build results
	rm -rf $(VENV) .nox build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

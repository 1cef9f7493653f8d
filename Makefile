# One command for everything. Needs nothing but Python 3.11 or newer: the environment is made in .venv.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help run test conformance check format bench lock clean

help: ## Show what there is
	@echo "Usage: make TARGET [ARGS='...']"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## Serve on the embedded database and files in ./data; prints how to push (ARGS: options of serve)
	@$(BIN)/artifact-store serve $(ARGS)

test: $(VENV)/.development ## Everything the tests need, then all of them (ARGS: options of pytest)
	@$(BIN)/python -m pytest $(ARGS)

conformance: $(VENV)/.development ## Run the public S3 suite from its checkout in S3TESTS_DIR and write docs/s3-compatibility.md
	@test -n "$(S3TESTS_DIR)" || { echo "Say where the checkout of ceph/s3-tests is: make conformance S3TESTS_DIR=..." >&2; exit 2; }
	@$(BIN)/python -m tests.conformance.s3.public "$(S3TESTS_DIR)"

check: $(VENV)/.development ## Lint and format, types, walls between the rooms
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.development ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix --exit-zero
	@$(BIN)/ruff format

bench: $(VENV)/.development ## Measure the server's capacity on this machine (ARGS: options of the benchmark)
	@$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/.development ## Choose the newest allowed dependencies and write the lock files
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) --group build --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile $(LOCK_OPTIONS) --group build --group dev --constraints requirements.lock \
		--output-file requirements-dev.lock pyproject.toml

clean: ## Remove the environment and caches; data stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

LOCK_OPTIONS := --quiet --universal --upgrade --generate-hashes --no-header --no-annotate
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"artifact-store needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + \
		". Name another one: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) cannot make environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)." >&2; \
		exit 1; }
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

# The lock names every package with its hash; the project itself is installed in place.
$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the dependencies ..."
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the development tools ..."
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

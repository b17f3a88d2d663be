# Hailgate. Needs Python 3.11 or newer, make and git; everything else is brought into .venv.

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip
# As pip does: whoever trusts a proxy of their own has told the system so.
export UV_SYSTEM_CERTS ?= 1
OLD_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# The first of these that is new enough; or say PYTHON=/path/to/python.
PYTHON ?= $(firstword $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c '$(OLD_ENOUGH)' 2>/dev/null && echo $$name; done))

# make faults ONLY="R01 R05" SCALE=1
# make faults SEED=7 RESULTS=results.jsonl
ONLY ?=
SCALE ?= 0.3
# make simulate SEEDS=50000
SEEDS ?= 5000

.DEFAULT_GOAL := help
.PHONY: help demo test check faults simulate bench bench-large services format setup generate lock clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/runs ## Try the product: phones in a web page, an assistant that answers
	@exec $(BIN)/python -m hailgate demo

test: $(VENV)/develops ## Run the suite on every database that answers; HAILGATE_TEST_REQUIRE=all insists on all
	@bash scripts/run-tests

check: $(VENV)/develops ## Check style, types, imports, and that nothing generated is out of date
	@bash scripts/run-checks

faults: $(VENV)/develops ## Kill, freeze and cut while messages flow, and count (ONLY=R01, SCALE=1)
	@bash scripts/run-faults $(if $(ONLY),--only $(ONLY)) --scale $(SCALE) $(if $(SEED),--seed $(SEED)) \
		$(if $(RESULTS),--results $(RESULTS) --resume)

simulate: $(VENV)/develops ## Tell stories of the whole product in virtual time, one for each seed (SEEDS=50000)
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --jobs $$(nproc 2>/dev/null || echo 2)

bench: $(VENV)/develops .venv-bench/runs ## Measure side by side: door, delivery, the whole way, latency, growth
	@$(BIN)/python -m benchmarks --write-docs

bench-large: $(VENV)/develops .venv-bench/runs ## The same with ten million stored messages
	@$(BIN)/python -m benchmarks --large --write-docs

services: ## Install and start PostgreSQL, Redis, RabbitMQ and Chromium (Debian, as root)
	@bash scripts/services

format: $(VENV)/develops ## Write the code in its one style
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

setup: $(VENV)/develops ## Bring everything for development into .venv

generate: $(VENV)/develops ## Write .env.example and the reference pages from the code
	@$(BIN)/hailgate generate

lock: $(VENV)/develops ## Lock the newest dependencies that pyproject.toml allows
	@bash scripts/lock

clean: ## Remove what can be made again; the demo's data in .hailgate stays
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/builds: requirements/build.txt
	@$(if $(PYTHON),,echo "Python 3.11 or newer is needed; say PYTHON=/path/to/it" >&2; exit 1)
	@echo "Setting up .venv …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/runs: $(VENV)/builds requirements/runtime.txt pyproject.toml
	@UV_COMPILE_BYTECODE=1 $(UV) install --quiet --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	@$(UV) install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/develops: $(VENV)/runs requirements/dev.txt
	@$(UV) sync --quiet --python $(BIN)/python --require-hashes requirements/build.txt requirements/dev.txt
	@$(UV) install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# What Hailgate is compared with: its own packages, apart from the product's.
.venv-bench/runs: $(VENV)/builds benchmarks/requirements.txt
	@$(PYTHON) -m venv .venv-bench
	@$(UV) install --quiet --python .venv-bench/bin/python --require-hashes -r benchmarks/requirements.txt
	@touch $@

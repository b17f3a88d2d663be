# Hailgate. Needs Python 3.11 or newer with its venv, make and git; everything else is brought into .venv.

# As pip does: whoever trusts a proxy of their own has told the system so.
export UV_SYSTEM_CERTS ?= 1
OLD_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# The first of these that is new enough; or say PYTHON=/path/to/python.
PYTHON ?= $(firstword $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c '$(OLD_ENOUGH)' 2>/dev/null && echo $$name; done))
# One that is named has a folder of its own, if .venv belongs to another.
VENV := .venv
ifneq ($(origin PYTHON),file)
VENV := $(or $(shell $(PYTHON) scripts/name-venv 2>/dev/null),$(error PYTHON=$(PYTHON) is no Python that runs))
endif
export VENV
BIN := $(VENV)/bin
UV := $(BIN)/uv pip

# make test ONLY=tests/core
# make faults ONLY="R01 R05" SCALE=1
# make faults SEED=7 RESULTS=results.jsonl
# make test PYTHON=python3.13 DATABASES=sqlite
ONLY ?=
export DATABASES ?= sqlite postgresql
SCALE ?= 0.3
# make faults ONLY=TALK PROVIDER=all
PROVIDER ?= cloud
# make simulate SEEDS=50000
SEEDS ?= 5000
# make histories HISTORIES=300000
HISTORIES ?= 5000
# make contract CALLS=20000
CALLS ?= 2000
# make explore ONLY=tests/messaging ROUNDS=20
# make explore SEED=7 ROUNDS=1
ROUNDS ?= 5

.DEFAULT_GOAL := help
.PHONY: help demo install test coverage pooled explore readme bare check faults real simulate histories mutants contract sends bench bench-large site services release image install-trial upgrade-trial check-release tools format setup generate lock clean

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/runs ## Try the product: phones in a web page, an assistant that answers
	@exec $(BIN)/python -m hailgate demo

install: $(VENV)/serves ## Bring Hailgate with every extra (alarms, traces, voice notes) into .venv, to use it for real
	@echo "$(BIN)/hailgate is there. Next: docs/how-to/connect-cloud-api.md"

test: $(VENV)/develops ## Run the suite, or ONLY=tests/core, on every database that answers
	@bash scripts/run-tests $(ONLY)

coverage: $(VENV)/develops ## The same on SQLite, with the lines counted that it runs through, and a least share of them
	@COVERAGE=yes DATABASES=sqlite bash scripts/run-tests $(ONLY)

explore: $(VENV)/develops ## Try properties and state machines with examples that nobody chose (ROUNDS=20, SEED=7)
	@bash scripts/explore "$(SEED)" $(ROUNDS) $(ONLY)

readme: ## Try the README's commands in a fresh clone, in its order, twice (Linux, as root)
	@bash scripts/readme

bare: ## Walk the README's commands in a new Debian with nothing but what the README names (Debian, as root)
	@bash scripts/bare $(ONLY)

check: $(VENV)/develops ## Check style, types, imports, and that nothing generated is out of date
	@bash scripts/run-checks

pooled: $(VENV)/develops ## Run what needs the store with PgBouncer before PostgreSQL (ONLY=tests/messaging)
	@$(BIN)/python -m tests.pooler pytest -q -m "not faults" -p only_store --database=postgresql $(or $(ONLY),tests/messaging)

faults: $(VENV)/develops ## Kill, freeze and cut while messages flow, and count (ONLY=R01, SCALE=1)
	@bash scripts/run-faults $(if $(ONLY),--only $(ONLY)) --scale $(SCALE) --provider $(PROVIDER) $(if $(SEED),--seed $(SEED)) \
		$(if $(RESULTS),--results $(RESULTS) --resume)

real: $(VENV)/develops ## Try set-up and a conversation on servers of your own (CONFIG=trial.toml, see docs/how-to/try-real-servers.md)
	@$(BIN)/python -m tests.real "$(CONFIG)"

simulate: $(VENV)/develops ## Tell stories of the whole product in virtual time, one for each seed (SEEDS=50000)
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --jobs $$(nproc 2>/dev/null || echo 2)

histories: $(VENV)/develops ## Live random lives of people whose ids are told, change and are parted (HISTORIES=300000, SEED=7)
	@bash scripts/histories $(or $(SEED),1) $(HISTORIES)

mutants: $(VENV)/develops ## Plant bugs made from the code, and see which test notices each (SEED=7, ROOM=assistant, ALL=1, MINUTES=10)
	@$(BIN)/python -m tests.mutants --write-docs $(if $(SEED),--seed $(SEED)) $(if $(ROOM),--room $(ROOM)) $(if $(ALL),--all) \
		$(if $(MINUTES),--minutes $(MINUTES))

contract: $(VENV)/develops ## Call every operation of the OpenAPI document, and print what was answered (CALLS=2000)
	@CALLS=$(CALLS) $(BIN)/python -m pytest -q --database=sqlite tests/api/test_contract.py -k whole_contract

sends: $(VENV)/develops ## Print what becomes of Meta's own examples (HAILGATE_OPENAPI_DIR) and of every send of pywa
	@$(BIN)/python -m pytest -q --database=sqlite tests/core/test_clients.py

bench: $(VENV)/develops .venv-bench/runs ## Measure side by side: door, delivery, the whole way, latency, growth
	@$(BIN)/python -m benchmarks --write-docs

bench-large: $(VENV)/develops .venv-bench/runs ## The same with ten million stored messages
	@$(BIN)/python -m benchmarks --large --write-docs

site: .venv-docs/runs ## Make the documentation a site in build/site, every link checked
	@$(PYTHON) scripts/site
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict
	@echo "build/site/index.html is there."

services: ## Install and start PostgreSQL, Redis, RabbitMQ, Chromium and an AI server (Debian, as root)
	@bash scripts/services

release: $(VENV)/develops tools ## Make dist/hailgate-VERSION: wheel, locked requirements, list of parts, licences, checksums
	@bash scripts/release

image: tools ## Build the container image without an engine and try it (Debian with buildah, as root)
	@bash scripts/image

install-trial: release ## Install it as docs/how-to/install.md says, in a new Debian, and by the image (Debian, as root)
	@bash scripts/install-trial

upgrade-trial: release ## Upgrade from 0.1.0 with deploy/upgrade while messages flow, and back (KIND=postgresql; Debian, as root)
	@bash scripts/upgrade-trial $(KIND)

check-release: $(VENV)/develops tools ## Look for secrets, licences, known holes, and faults of Dockerfile and compose files
	@bash scripts/check-release

tools: .venv-tools/runs ## Bring what releases and deployments are made and checked with into .venv-tools

.venv-tools/runs: $(VENV)/builds requirements/tools.txt
	@$(PYTHON) -m venv .venv-tools
	@$(UV) install --quiet --python .venv-tools/bin/python --require-hashes -r requirements/tools.txt
	@touch $@

format: $(VENV)/develops ## Write the code in its one style
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

setup: $(VENV)/develops ## Bring everything for development into .venv

generate: $(VENV)/develops ## Write .env.example and the reference pages from the code
	@$(BIN)/hailgate generate

lock: $(VENV)/develops ## Lock the newest dependencies that pyproject.toml allows
	@bash scripts/lock

clean: ## Remove what can be made again; the demo's data in .hailgate stays
	rm -rf .venv .venv-* .coverage .coverage.* .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/builds: requirements/build.txt
	@$(if $(PYTHON),,echo "Python 3.11 or newer is missing: install it (README, \"Try it\"), or say PYTHON=/path/to/it." >&2; exit 1)
	@$(PYTHON) -c '$(OLD_ENOUGH)' || { echo "$(PYTHON) is older than Python 3.11: say PYTHON=/path/to/a/newer/one." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "The part of $(PYTHON) that sets up virtual" \
		"environments is missing: on Debian and Ubuntu, apt install python3-venv." >&2; exit 1; }
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/runs: $(VENV)/builds requirements/runtime.txt pyproject.toml
	@UV_COMPILE_BYTECODE=1 $(UV) install --quiet --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	@$(UV) install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/serves: $(VENV)/runs requirements/extras.txt
	@$(UV) install --quiet --python $(BIN)/python --require-hashes -r requirements/extras.txt
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

# What the documentation becomes a site with.
.venv-docs/runs: $(VENV)/builds requirements/docs.txt
	@$(PYTHON) -m venv .venv-docs
	@$(UV) install --quiet --python .venv-docs/bin/python --require-hashes -r requirements/docs.txt
	@touch $@

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory

BIN := .venv/bin
READY := .venv/.ready
CONTRACT := clients/python/schoolbell/v1
LINK_CODE := server/schoolbell_server/link/v1
PROTOS := build/proto
API_DOCS := docs/api
SERVICE_CONFIG := proto/service_config.json
# Each client's package holds its own copy.
SERVICE_CONFIG_COPIES := clients/python/schoolbell/service_config.json \
	clients/go/schoolbell/service_config.json clients/typescript/service_config.json \
	clients/java/src/main/resources/example/schoolbell/service_config.json
SOURCES := server storage clients/python clients/console tests tools $(wildcard benchmarks)
PROTO_SOURCES := $(wildcard proto/*.yaml proto/schoolbell/v1/*.proto proto/schoolbell/link/v1/*.proto)
BUF := cd $(PROTOS) && $(CURDIR)/$(BIN)/buf
PIP_COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-options --no-header --no-annotate

# What callers may set; the programs read them from the environment.
ONCE ?=
ROSTER ?=
CHANGES ?=
LONG ?=
ROWS ?=
ARGS ?=
LINK ?=
export ONCE ROSTER CHANGES LONG LINK

.PHONY: help setup run test test-fast coverage test-clients test-console test-link demo-clients docs-clients fuzz lint format type proto proto-check proto-accept requirements \
	codegen-check bench abuse mutation pictures clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything pinned (done by itself where needed)

run: $(READY) ## Play a school day; ONCE=1 ends with a summary, LINK=1 sends through a hub, ROSTER= and CHANGES= are yours
	@exec $(BIN)/python -m schoolbell_server.demo

fuzz: $(READY) ## Fuzz all RPCs on both databases; SEED= repeats a run, LONG=1 sends 100,000 requests a database
	@PYTHONPATH=. $(BIN)/python -m tests.fuzz

test: $(READY) ## Run all tests on every core; ARGS= goes to pytest (-n 0: one core), LONG=1 plays the long forms whole
	@$(BIN)/pytest -n auto --dist worksteal --ignore=tests/link $(ARGS)

test-fast: $(READY) ## Run the tests that start no server: the domain, the texts, the readers, the commands
	@$(BIN)/pytest -n auto --dist worksteal tests/unit tests/decision_table $(ARGS)

coverage: $(READY) ## Run all tests and show which lines none of them reaches; ARGS= goes to pytest
	@$(BIN)/pytest -n auto --dist worksteal --ignore=tests/link --cov --cov-report=term:skip-covered $(ARGS)

test-link: $(READY) ## Test the link with a RabbitMQ of its own, which it fetches where the machine has none
	@$(BIN)/pytest -n 2 --dist loadfile tests/link $(ARGS)

test-clients: $(READY) ## Test the clients of other languages and play the conformance suite with them
	@scripts/test-clients

demo-clients: $(READY) ## Play a school day with the clients: Java publishes, Go registers, TypeScript watches
	@$(BIN)/python -m tests.conformance.school_day

docs-clients: $(READY) ## Make the API documents of the clients in build/docs
	@scripts/docs-clients
test-console: $(READY) ## Test the console in a browser; ARGS= goes to pytest
	@scripts/test-console $(ARGS)

lint: $(READY) ## Check style, format and the import rules
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports

format: $(READY) ## Format the code and the contract
	$(BIN)/ruff check --fix --exit-zero --quiet $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/buf format --write proto

type: $(READY) ## Check the types
	$(BIN)/mypy $(SOURCES)

proto: $(PROTOS)/.copied ## Generate the code and the reference of the contract anew
	rm -f $(CONTRACT)/*_pb2*
	scripts/generate-python $(PROTOS) clients/python
	scripts/generate-link $(PROTOS) $(LINK_CODE)
	rm -f clients/go/schoolbell/v1/*.pb.go
	scripts/generate-go $(PROTOS) clients/go
	rm -rf clients/typescript/src/gen
	scripts/generate-typescript $(PROTOS) clients/typescript/src/gen
	scripts/generate-api-docs $(PROTOS) $(API_DOCS)
	scripts/generate-service-config $(PROTOS) $(SERVICE_CONFIG)
	for copy in $(SERVICE_CONFIG_COPIES); do cp $(SERVICE_CONFIG) $$copy; done

proto-check: $(PROTOS)/.copied ## Check the contract, and that its code and reference are what it generates
	$(BUF) lint
	$(BUF) breaking --path schoolbell --exclude-imports --against $(CURDIR)/proto/image.binpb
	$(BUF) format --diff --exit-code --path schoolbell
	rm -rf build/generated
	scripts/generate-python $(PROTOS) build/generated
	diff -r --exclude=__init__.py --exclude=__pycache__ build/generated/schoolbell/v1 $(CONTRACT)
	scripts/generate-link $(PROTOS) build/generated/link
	diff -r --exclude=__init__.py --exclude=__pycache__ build/generated/link $(LINK_CODE)
	scripts/generate-go $(PROTOS) build/generated/go
	diff -r build/generated/go/schoolbell/v1 clients/go/schoolbell/v1
	scripts/generate-typescript $(PROTOS) build/generated/typescript
	diff -r build/generated/typescript clients/typescript/src/gen
	scripts/generate-api-docs $(PROTOS) build/api-docs
	diff -r build/api-docs $(API_DOCS)
	scripts/generate-service-config $(PROTOS) build/service_config.json
	for copy in $(SERVICE_CONFIG) $(SERVICE_CONFIG_COPIES); do diff build/service_config.json $$copy; done

codegen-check: $(PROTOS)/.copied ## Generate Go, Java and TypeScript from the contract and compile it
	scripts/codegen-check $(PROTOS)

proto-accept: $(PROTOS)/.copied ## Make the present contract the one that must not break
	$(BUF) build --path schoolbell --exclude-source-info --output $(CURDIR)/proto/image.binpb

pictures: $(READY) ## Draw the terminal pictures of the docs anew
	@PYTHONPATH=. $(BIN)/python -m tests.docs.terminal

bench: $(READY) ## Measure the speed; LONG=1 measures the million sizes, ROWS= picks some
	@exec $(BIN)/python -m benchmarks $(ROWS)

abuse: $(READY) ## Attack a server and measure what its other callers feel; ARGS= picks attacks
	@exec $(BIN)/python -m benchmarks.abuse $(ARGS)

mutation: $(READY) ## Mutate the domain and count what the tests miss (long; Python 3.11 or 3.12)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/mutation.txt
	scripts/mutation

requirements: $(READY) ## Pin the newest packages that pyproject.toml and requirements/*.in allow
	$(PIP_COMPILE) --upgrade --extra link --output-file requirements/run.txt pyproject.toml
	$(PIP_COMPILE) --upgrade --output-file requirements/dev.txt requirements/dev.in
	$(PIP_COMPILE) --upgrade --output-file requirements/mutation.txt requirements/mutation.in
	$(PIP_COMPILE) --upgrade --output-file requirements/console.txt requirements/console.in

clean: ## Remove what can be made again, but for .venv
	rm -rf build dist clients/typescript/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements/dev.txt pyproject.toml scripts/setup
	@scripts/setup
	@touch $@

$(PROTOS)/.copied: $(READY) $(PROTO_SOURCES) scripts/copy-protos
	@scripts/copy-protos $(PROTOS)
	@touch $@

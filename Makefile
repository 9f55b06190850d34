VENV := .venv
BIN := $(VENV)/bin
PROTO_CHECK := .state/generated

.DEFAULT_GOAL := help
.PHONY: help env demo dev test check lint types imports generated docs bench faults fuzz k8s-build k8s-up k8s-down e2e-k8s e2e-oidc protos format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

$(VENV)/.complete: pyproject.toml constraints.txt scripts/create_env.sh
	@echo "Creating $(VENV) ..."
	@scripts/create_env.sh
	@touch $@

env: $(VENV)/.complete ## Create .venv with the pinned versions

demo: env ## Start everything, run the examples through pyflyte, print their results, stop
	@$(BIN)/python scripts/demo.py

dev: env ## Start everything and leave it running
	@$(BIN)/flytetemporal dev

test: env ## Run all tests, two files at a time
	@$(BIN)/python -m clusters build --if-possible etcd kube-apiserver
	@$(BIN)/pytest -n 2 --dist loadfile

check: lint types imports generated docs ## Run all checks except the tests

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: env
	$(BIN)/mypy

imports: env
	$(BIN)/lint-imports

generated: env
	@rm -rf $(PROTO_CHECK)
	$(BIN)/python scripts/generate_protos.py $(PROTO_CHECK)
	@diff -ru -x __init__.py -x __pycache__ $(PROTO_CHECK)/flytetemporal/contracts/v1 flytetemporal/contracts/v1 \
		|| { echo "generated code is stale: run make protos"; exit 1; }
	$(BIN)/python -m tests.unit.auth.matrix $(PROTO_CHECK)/security-matrix.md
	@diff -u $(PROTO_CHECK)/security-matrix.md docs/security-matrix.md \
		|| { echo "docs/security-matrix.md is stale: run python -m tests.unit.auth.matrix"; exit 1; }

docs: env
	$(BIN)/python scripts/check_docs.py

bench: env ## Measure speed and memory, next to a bare Temporal workflow
	@$(BIN)/python -m bench

faults: env ## Kill every process at random during a thousand executions, and check the results
	@$(BIN)/python -m faults $(if $(STORE),--store $(STORE))
	@$(BIN)/python -m faults.single_flight
	@$(BIN)/python -m faults.schedules
	@$(BIN)/python -m faults.deliveries
	@$(BIN)/python -m faults.launches
	@$(BIN)/python -m faults.removals
	@$(BIN)/python -m faults.projects

fuzz: env ## Send hostile requests to every RPC and route for ten minutes, and judge the answers
	@$(BIN)/python -m tests.fuzz

k8s-build: env ## Build the programs of Kubernetes from Go modules, into ~/.cache/flytetemporal
	@$(BIN)/python -m clusters build

k8s-up: env ## Start a real Kubernetes on this machine, as root and without Docker
	@$(BIN)/python -m clusters up

k8s-down: ## Stop it, and remove all that it has left
	@test ! -e .state/kubernetes || $(BIN)/python -m clusters down

e2e-k8s: env ## Run the tests whose pods really run, on a cluster of their own
	@$(BIN)/python -m clusters build etcd kube-apiserver kube-controller-manager kube-scheduler kubelet
	@$(BIN)/pytest --with-node tests/e2e_k8s

e2e-oidc: env ## Run the tests with a real Keycloak, on Java 17 or later
	@$(BIN)/python -m tests.fixtures.keycloak.distribution
	@$(BIN)/pytest --with-keycloak tests/e2e_oidc

protos: env ## Generate flytetemporal/contracts/v1
	$(BIN)/python scripts/generate_protos.py

format: env ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: k8s-down ## Remove the environment, caches and everything else that was generated
	rm -rf $(VENV) .state .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The project's commands. PYTHON is the interpreter that the virtual environment is made from.
PYTHON ?= python3
STACK ?= dev

# The dev stack's state: a folder of this checkout, encrypted with a passphrase of this checkout.
STATE := $(CURDIR)/.pulumi-state
export PULUMI_BACKEND_URL ?= file://$(STATE)
export PULUMI_CONFIG_PASSPHRASE_FILE ?= $(STATE)/passphrase

ENTER = eval "$$($(PYTHON) -m toolchain env)"
ENTER_LAB = $(ENTER) && eval "$$(lab env --name $(STACK))"

.DELETE_ON_ERROR:

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: setup
setup: ## the engine, its plugins and the Python environment; does nothing when all is there
	@$(PYTHON) -m toolchain setup

.PHONY: lock
lock: ## requirements.lock anew from pyproject.toml
	@$(PYTHON) -m toolchain lock

$(STATE)/passphrase:
	@mkdir -p $(@D) && umask 077 && $(PYTHON) -c 'import secrets; print(secrets.token_hex(32))' > $@

.PHONY: up
up: setup $(STATE)/passphrase ## the lab's hosts, and the stack on them; STACK=ha is the one without a single point of failure
	@$(ENTER) && lab up --name $(STACK)
	@$(ENTER_LAB) && pulumi stack select --create $(STACK) && pulumi up --yes --skip-preview --stack $(STACK)
	@$(ENTER_LAB) && maas-ha status $(STACK)

.PHONY: preview
preview: setup $(STATE)/passphrase ## what `make up` would change, line by line
	@$(ENTER) && pulumi stack select --create $(STACK) && pulumi preview --diff --show-full-output --stack $(STACK)

.PHONY: status
status: ## what MAAS and the hosts say of the stack
	@$(ENTER_LAB) && maas-ha status $(STACK)

.PHONY: drill
drill: STACK = ha
drill: up ## every drill on the stack without a single point of failure; figures, picture and page in drills/
	@$(ENTER_LAB) && maas-ha drill $(STACK) all --break-live-stack $(STACK) --report drills

.PHONY: destroy
destroy: ## the stack taken off the hosts; the database stays on its host until `make lab-down`
	@$(ENTER_LAB) && pulumi destroy --yes --skip-preview --stack $(STACK)

.PHONY: lab-down
lab-down: ## the lab's hosts and all that is on them
	@$(ENTER) && lab down --name $(STACK)

.PHONY: lint
lint: setup ## formatting, rules and types
	@$(ENTER) && ruff format --check . && ruff check . && mypy

# Side by side, so that some compute while others wait for their hosts; of about the same length.
PROCEDURES = $(sort $(foreach letters,$(1),$(wildcard tests/procedures/test_$(letters)*.py)))
PARTS = "tests/engine $(call PROCEDURES,[a-d] v)" "$(call PROCEDURES,[e-p] r[ae] s)" "$(call PROCEDURES,ro [tu])" \
	"--ignore tests/engine --ignore tests/procedures"

.PHONY: test
test: lint ## everything, on hosts of its own; needs root
	@tests/install-packages.sh
	@$(ENTER) && printf '%s\n' $(PARTS) | xargs --max-lines=1 --max-procs=4 pytest

.PHONY: test-all
test-all: test ## the same, the MAAS versions between the first and the last, and every drill on a whole cluster
	@$(ENTER) && pytest --all-versions tests/procedures && pytest --all-drills tests/procedures
	@$(MAKE) drill; drilled=$$?; $(MAKE) lab-down STACK=ha && exit $$drilled

REPEATS ?= 5
CASES ?=

.PHONY: bench
bench: setup ## how fast it is, against its rivals: bench/results.json, docs/performance.md; CASES="engine check" for some
	@tests/install-packages.sh
	@$(ENTER) && python -m bench --repeats $(REPEATS) $(CASES:%=--case %)

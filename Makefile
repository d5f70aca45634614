# The project's commands. PYTHON is the interpreter that the virtual environment is made from.
PYTHON ?= python3

.PHONY: setup
setup: ## the engine, its plugins and the Python environment; does nothing when all is there
	@$(PYTHON) -m toolchain setup

.PHONY: lock
lock: ## requirements.lock anew from pyproject.toml
	@$(PYTHON) -m toolchain lock

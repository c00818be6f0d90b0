# Commands for working with Crontopus from its source. `make` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARTEFACTS := artefacts
NODE_MODULES := tests/assets/node_modules

.DEFAULT_GOAL := help
.PHONY: help up demo build install-dev test check bench mutation docs screenshots lock clean

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name words; do printf '%-18s%s\n' "$$name" "$$words"; done

up: build ## install, build, migrate and serve everything on http://127.0.0.1:8000 until Ctrl-C
	@exec $(BIN)/crontopus-server up

demo: build ## the same, with a demo tenant whose jobs run within two minutes
	@exec $(BIN)/crontopus-server up --demo

build: $(VENV)/installed ## build the console's static files if their sources have changed
	@$(BIN)/crontopus-server build

# The tests open the page /kit, which only a development build has.
test screenshots: export CONSOLE_DEVELOPMENT = 1

test: install-dev build ## run all tests: units, both databases, real cron, real browser
	scripts/install-system-parts
	@mkdir -p $(ARTEFACTS)
	$(BIN)/pytest -m "not browser" --numprocesses 2 --dist loadfile --junitxml=$(ARTEFACTS)/pytest.xml --durations=15; \
	    first=$$?; $(BIN)/pytest -m browser --junitxml=$(ARTEFACTS)/pytest-browser.xml --durations=15 && exit $$first

check: install-dev ## check style, types, import rules and the console's scripts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/node $(NODE_MODULES)/oxlint/bin/oxlint --config tests/assets/.oxlintrc.json --deny-warnings assets/js tests/assets

bench: install-dev build ## run all benchmarks and print their tables
	@missed=; for each in benchmarks/[a-z]*.py; do PYTHONPATH=. $(BIN)/python $$each || missed="$$missed $$each"; done; \
	    test -z "$$missed" || { echo "missed a target:$$missed"; exit 1; }

mutation: install-dev build $(VENV)/installed-mutation ## change the code in 280 small ways and count the changes that the tests notice
	PYTHONPATH=. $(BIN)/python scripts/mutation.py

docs: install-dev ## check the links and commands in the documentation
	$(BIN)/pytest tests/docs -q

screenshots: install-dev build ## take the documentation's pictures from a new demo tenant (docs/images, eight minutes)
	PYTHONPATH=. $(BIN)/python scripts/screenshots.py

lock: install-dev ## pin the newest releases allowed by pyproject.toml in requirements.lock
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --strip-extras \
	    --no-header --no-annotate --upgrade --quiet --output-file requirements.lock

clean: ## remove the results of the commands above, but not the data folder
	rm -rf $(VENV) $(NODE_MODULES) .web .states reflex.lock $(ARTEFACTS) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

install-dev: $(VENV)/installed-dev $(NODE_MODULES)/.package-lock.json

# Two stamp files: to run Crontopus, no type checker or browser driver is needed.
# requirements.lock pins every release, so that installations are reproducible.
$(VENV)/installed: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[server,embedded,build]'
	@touch $@

$(VENV)/installed-dev: requirements.lock pyproject.toml $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[server,embedded,build,dev]'
	@touch $@

$(VENV)/installed-mutation: requirements.lock pyproject.toml $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[server,embedded,build,dev,mutation]'
	@touch $@

# What the tests and the linter of the console's scripts need; it runs on the Node that builds the console.
$(NODE_MODULES)/.package-lock.json: tests/assets/package-lock.json $(VENV)/installed
	cd tests/assets && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Crontopus needs Python 3.11 or newer: make PYTHON=python3.11 up")'
	@$(PYTHON) -c 'import ensurepip' || { echo 'This Python cannot make virtual environments: install python3-venv.'; exit 1; }
	$(PYTHON) -m venv $(VENV)

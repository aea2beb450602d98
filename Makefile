# make setup   installs everything into .venv
# make demo    fine-tunes on synthetic clips, on two CPU replicas, and reports top-1
# make test    runs the tests, installing what they need
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: setup demo test lint

setup: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(RUN) -m data.synthetic runs/demo_videos
	$(RUN) train.py --config=demo --workdir=runs/demo

test: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pytest

lint: setup
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

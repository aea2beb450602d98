# make setup   installs everything into .venv
# make demo    fine-tunes on synthetic clips, on two CPU replicas, and reports top-1
# make test    runs the tests, installing what they need
# make chaos   kills runs 200 times at random instants; its log is runs/chaos.jsonl
# make soak    runs the tests ten times in random order beside two busy processes
# make lint    formats the code and mends what can be mended
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: setup demo test chaos soak lint

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
	# Three processes on two cores, as many tests wait; the longest files first.
	$(RUN) -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder \
	    tests/test_train_options.py tests/test_train*.py tests/chaos tests

chaos: setup
	mkdir -p runs
	rm -f runs/chaos.jsonl
	CHAOS_KILLS=200 CHAOS_LOG=runs/chaos.jsonl $(RUN) -m pytest tests/chaos

SOAK ?= 10
soak: setup
	yes >/dev/null & first=$$!; yes >/dev/null & trap "kill $$first $$!" EXIT; \
	for seed in $$(seq $(SOAK)); do \
	    $(RUN) -m pytest --numprocesses=4 --dist=loadfile --random-order \
	        --random-order-seed=$$seed --ignore=tests/chaos tests || exit; \
	done

lint: setup
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

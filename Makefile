# One command each: demo (the main job), test, check (style and types), bench.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test unit check install bench clean

demo: $(VENV)/.runs
	$(BIN)/quorate test etcd -w register -f partition,kill,pause --time 30s

# Clusters mostly wait, so one more test file at a time than there are processors; more than eight would starve them.
# In the order of folders: cluster and quality have the long files, which must not come last.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 8 ? n + 1 : 8)))

# Servers first: a test's own deadline is not meant for a build. What cannot be had here is skipped by its tests.
test: install
	-$(BIN)/quorate fetch etcd consul zookeeper etcd@3.5.16 etcd@3.7.3+failpoints
	cd checkers/native && cargo test --workspace --quiet
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

unit: install
	$(BIN)/pytest tests/unit

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd checkers/native && cargo fmt --all --check && cargo clippy --workspace --all-targets --quiet -- -D warnings

bench: install
	for file in bench/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

install: $(VENV)/.installed

# pip builds the native core through maturin; a stamp is renewed when anything that goes into the build changes.
BUILT_FROM := pyproject.toml $(shell find checkers/native -name '*.rs' -o -name 'Cargo.toml' 2>/dev/null | grep -v target)

$(VENV)/.installed: $(BUILT_FROM)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.runs

# Enough to run: no test runner, no type checker, no compilers of protocols; the native core in its quick profile.
$(VENV)/.runs: $(BUILT_FROM)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --config-settings build-args=--profile=quick --editable .
	touch $@

clean:
	$(BIN)/quorate clean

# Every target sets itself up: a virtual environment in .venv with pinned versions.
# The first that really runs: a version manager's stand-in is found and does not.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c '' >/dev/null 2>&1 && command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OTHER := .venv-ib-async
# More workers than processors: half of what the tests take is waiting in real time.
WORKERS ?= 4
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
KILLS ?= 300
CUTS ?= 1000
SEEDS ?= 500

# Where nothing compiled is kept, each of the hundreds of processes that the tests start compiles all its modules
# anew, which doubles what a start costs.
unexport PYTHONDONTWRITEBYTECODE
COMPILED = @$(BIN)/python -m compileall -q app engine brokers themes

.PHONY: run test test-long test-ib test-ib-async conformance lint bench bench-peers bench-guard bench-base crash sim soak mutants picture clean help

help:  ## show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Breakwater needs Python 3.11 to 3.13; {sys.executable} is {v[0]}.{v[1]}. Say: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,ib]'
	@touch $(STAMP)

# Two libraries for one broker install the same module, so each has an environment of its own.
$(OTHER)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(OTHER)
	$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,ib-async]'
	@touch $@

# Much here plays in real time, four at once on two cores: what failed is played once more, one after the other,
# and named in the output. What fails twice fails the run.
AGAIN = { echo "--- what failed, once more and alone:"; $(BIN)/python -m pytest -ra --last-failed \
	--last-failed-no-failures none; }

run: $(STAMP)  ## the workstation on the synthetic market (headless for a minute where there is no terminal)
	@$(BIN)/breakwater

test: $(STAMP)  ## the whole test suite
	$(COMPILED)
	$(BIN)/python -m pytest $(SPREAD) tests || $(AGAIN)

test-long: $(STAMP)  ## the same with recordings to their end, and examples and kills in plenty
	$(COMPILED)
	BREAKWATER_FULL=1 $(BIN)/python -m pytest $(SPREAD) --timeout=3600 tests

# The vendor's own client, for tests only: breakwater is not installed beside it.
.venv-ibapi/.installed: constraints.txt
	$(PYTHON) -m venv .venv-ibapi
	.venv-ibapi/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt ibapi
	@touch $@

# What depends on the library. The codec of the wire does not: it is the same code in both environments.
IB_TESTS := tests/ib tests/tws tests/conformance/test_ib.py tests/app/test_app_ib.py tests/shadow/test_shadow_ib.py

test-ib-async: $(OTHER)/.installed  ## gateway and adapter with ib_async, in an environment of its own
	$(OTHER)/bin/python -m pytest $(SPREAD) $(IB_TESTS) --ignore tests/tws/test_tws_codec.py || \
		$(subst $(BIN),$(OTHER)/bin,$(AGAIN))

test-ib: $(STAMP) .venv-ibapi/.installed test-ib-async  ## gateway and adapter with every client: ib_insync, ib_async, the vendor's own
	$(BIN)/python -m pytest $(SPREAD) $(IB_TESTS)

conformance: $(STAMP) $(OTHER)/.installed  ## run every adapter through the numbered suite and write the README's table
	$(BIN)/python -m tests.conformance
	$(OTHER)/bin/python -m tests.conformance

lint: $(STAMP)  ## ruff and strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## all benchmarks, each beside its control or floor (JSON=FILE keeps the figures)
	$(BIN)/python -m tests.bench $(if $(JSON),--json $(JSON))

# Others' engines, for scale: some 500 MB, and nothing of ours imports them. vnpy without its screen's libraries.
.venv-peers/.installed: tests/bench/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/bench/peers.txt
	@touch $@

bench-peers: $(STAMP) .venv-peers/.installed  ## installs vnpy and NautilusTrader beside ours, and measures their order path
	$(BIN)/python -m tests.bench peers

bench-guard: $(STAMP)  ## what lost half of its worth against the figures in tests/bench/base.json (a short run)
	@$(BIN)/python -m tests.bench --quick --json $(VENV)/bench.json reduced >/dev/null
	@$(BIN)/python -m tests.bench guard tests/bench/base.json $(VENV)/bench.json

bench-base: $(STAMP)  ## make the figures anew that bench-guard compares with
	$(BIN)/python -m tests.bench --quick --summary --json tests/bench/base.json reduced

crash: $(STAMP)  ## kill -9 the engine 300 times (KILLS=...), lead 1,000 lives with some ten power cuts each under its journal (CUTS=...)
	BREAKWATER_KILLS=$(KILLS) BREAKWATER_CUTS=$(CUTS) $(BIN)/python -m pytest tests/crash tests/power tests/disk -q -s --timeout=0

sim: $(STAMP)  ## play 500 seeded days of trouble in simulated worlds
	$(BIN)/python -m tests.sim --seeds $(SEEDS)

soak: $(STAMP)  ## play 10,000 of them with a progress bar; stopped at any time, it goes on there
	$(BIN)/python -m tests.sim.soak

mutants: $(STAMP)  ## hunt planted bugs with seeds, and print how many each took to be found
	$(BIN)/python -m tests.sim.mutants

picture: $(STAMP)  ## the picture in the README, from a real run
	$(BIN)/python -m app.portrait themes/desk.svg

clean:
	rm -rf $(VENV) $(OTHER) build *.egg-info .mypy_cache .ruff_cache .pytest_cache

# Everything a newcomer needs: `make demo`, then `make test`.
PYTHON ?= python3
VENV := .venv
OUT := demo-output
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-all spark check format docs site bench scoreboard oracles gateways data models clean

install: $(STAMP)

# Reinstalled when what is pinned or declared changes.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Stillwatch needs Python 3.11 or newer: make PYTHON=python3.11 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev --editable .
	@touch $@

# Two runs: real requests of nine client programs, which name no account; and simulated traffic with one
# campaign. The demo has a deployment key of its own, so that it leaves nothing outside demo-output; it is known to
# all, which simulated data can bear, so that everybody sees the same figures.
demo: export STILLWATCH_KEY_FILE := $(OUT)/key
demo: install
	@mkdir -p $(OUT)
	@umask 077 && printf '%064d\n' 0 > $(OUT)/key
	@echo "== 1. Real requests of nine client programs =="
	@$(BIN)/stillwatch scan 'src/stillwatch/data/captures/*.jsonl.gz' --out $(OUT)/captures
	@echo
	@echo "== 2. Simulated traffic: one campaign among ordinary customers =="
	@$(BIN)/stillwatch simulate demo --out $(OUT)/traffic
	@$(BIN)/stillwatch scan $(OUT)/traffic/exchanges --accounts $(OUT)/traffic/accounts.parquet \
		--launches $(OUT)/traffic/launches.parquet --out $(OUT)/findings

check: install
	$(BIN)/ruff check .
	$(BIN)/mypy

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# With the slow ones, as CI runs them.
test-all: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

# The engine spark beside DuckDB: value by value, and a whole scan. It installs half a gigabyte, and needs Java 17.
spark: install
	@java -version >/dev/null 2>&1 || test -x "$(JAVA_HOME)/bin/java" || { echo "The engine spark needs Java 17: install it, or set JAVA_HOME" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group spark
	$(BIN)/python -m pytest -m spark

# Speed and memory, as ratios within one run.
bench: install
	$(BIN)/python benchmarks/simulate_speed.py
	$(BIN)/python benchmarks/scan_speed.py
	$(BIN)/python benchmarks/report_speed.py

# Figures of detection beside other methods, on every shipped scenario, to docs/scoreboard.md: about 20 minutes on two
# cores. It goes on where it was interrupted; BOARD takes its options, such as BOARD="--scenarios demo --seeds 2001".
scoreboard: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group scoreboard
	$(BIN)/python benchmarks/scoreboard.py $(BOARD)

# Linkage beside Splink on published gold sets (docs/concepts/linkage-validation.md): about a minute, in an environment
# of its own, since the gold sets' package needs an older pandas.
oracles:
	$(PYTHON) -m venv .oracles
	.oracles/bin/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	.oracles/bin/python -m pip install --quiet --disable-pip-version-check --group dev --group oracles --editable .
	.oracles/bin/python -m pytest -s -m oracle tests/oracles

# From request to finding through a real LiteLLM proxy, in an environment of its own, since it pins versions of what we use:
# some minutes to install, one to run.
gateways: install .litellm/.installed
	@test -x .litellm/bin/litellm || { echo "the proxy was not installed: rm -r .litellm, and again" >&2; exit 1; }
	$(BIN)/python -m pytest -m gateway tests/gateways

.litellm/.installed: pyproject.toml
	$(PYTHON) -m venv .litellm
	.litellm/bin/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	.litellm/bin/python -m pip install --quiet --disable-pip-version-check --group gateways
	@touch $@

# The reference documentation, from the schema's declarations.
docs: install
	$(BIN)/python tools/render_docs.py

# The documentation as a site in site/, which a browser reads from the folder; a broken link is an error.
site: install docs
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "Site: site/index.html"

# What is shipped and made from other data: networks, the content model, the explanations' densities.
data: install
	$(BIN)/python tools/refresh_networks.py

models: install
	$(BIN)/python tools/train_content.py --open $(OPEN)
	$(BIN)/python tools/train_structure.py
	$(BIN)/python tools/fit_hypotheses.py

format: install
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .oracles .litellm demo-output site .scoreboard .mypy_cache .ruff_cache .pytest_cache .hypothesis

# One word for each thing people do here. The first use sets everything up in .venv, from the lock, by hash.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run demo test adversary kills ledger-kills report-pictures lint format bench detect screens lock clean

run: .venv/ready
	@$(BIN)/twinseal demo --serve

demo: .venv/ready
	@$(BIN)/twinseal demo

test: .venv/ready
	@$(BIN)/pytest -n auto --dist worksteal $(ARGS)

kills: .venv/ready
	@TWINSEAL_TEST_KILLS=200 $(BIN)/pytest -s tests/e2e/test_kills.py

ledger-kills: .venv/ready
	@TWINSEAL_TEST_KILLS=200 $(BIN)/pytest -s tests/audit/test_crashes.py

report-pictures: .venv/ready
	@$(BIN)/python tests/pictures.py

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: .venv/ready
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/ready
	@$(BIN)/python -m tests.bench $(ONLY)

detect: .venv/ready
	@$(BIN)/python -m tests.detect $(if $(REPO),--repo $(REPO)) $(ARGS)

screens: .venv/ready
	@$(BIN)/python tests/e2e/screens.py

adversary: .venv/ready
	@$(BIN)/pytest -q -n auto tests/adversary --card out/adversary.json $(ARGS)
	@for control in $$(PYTHONPATH=tests $(BIN)/python -c 'from adversary import without; print(*without.NAMES)'); do \
		$(BIN)/pytest -q -n auto --tb=no --no-summary tests/adversary --without $$control || exit 1; \
	done

# Nothing younger than a week: a poisoned release is usually found by then.
lock: .venv/ready
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--exclude-newer "$$(date -u -d '7 days ago' +%F)" --group dev pyproject.toml -o requirements.lock

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Twinseal needs Python 3.11 or later; set PYTHON=")'
	@$(PYTHON) -m venv .venv || { echo "no venv module here; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "setting up .venv (once) ..."
	@$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv out .mypy_cache .ruff_cache .pytest_cache

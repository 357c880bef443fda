# make run      the service on http://127.0.0.1:8000 (PORT=... for another), its data in ./data
# make test     every test, against a real PostgreSQL
# make check    style, types, who may import whom, and what looks unsafe
# make audit    whether locked dependencies are known to be bad; says what it could not look up
# make fmt      put the style right
# make openapi  write openapi.json anew
# make soak     the tests that take minutes or need what is not part of the project; prints what they measured
# make bench    the yardsticks of docs/performance.md; ONLY=B1,B3 for some, SIZE=full for more data
PYTHON ?= python3
PORT ?= 8000

bin := .venv/bin
installed := .venv/.installed
product := api cli db domain ledger projections settings.py

# Where it is set, each of the many processes that tests and services consist of would compile all of its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install run test check audit fmt soak openapi bench

install: $(installed)

$(installed): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; say which: make $(firstword $(MAKECMDGOALS) install) PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into .venv, once (about twenty seconds) ..."
	@$(PYTHON) -m venv --clear .venv \
		|| { echo "python3 cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(bin)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes --requirement requirements.txt
	@$(bin)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(installed)
	@exec $(bin)/dossier serve --development --data data --port $(PORT)

test: $(installed)
	$(bin)/pytest -n auto --dist loadfile --no-loadscope-reorder -m "not long"

check: $(installed)
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/bandit --quiet --configfile pyproject.toml --recursive $(product)

audit: $(installed)
	$(bin)/python .ci/audit.py

fmt: $(installed)
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

soak: $(installed)
	$(bin)/pytest -m long -vv -rs --durations=0 --durations-min=1

openapi: $(installed)
	$(bin)/python -m api > openapi.json

bench: $(installed)
	$(bin)/python -m bench $(if $(ONLY),--only $(ONLY)) $(if $(SIZE),--size $(SIZE))

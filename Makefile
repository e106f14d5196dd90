# Everything a newcomer needs: `make demo` shows the whole way, `make test` runs the tests.
# Both make .venv first, on a machine that has only Python 3.10 to 3.13 and make.

PYTHONS := python3 python3.13 python3.12 python3.11 python3.10 python
FITS = 'import sys, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))'
FITS_ADDONS = 'import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))'

.PHONY: help demo browser test test-addons nightly faults lint types docs benchmarks clean

help:
	@echo "make demo         draw data, train, evaluate, export; a few minutes"
	@echo "make browser      LiteRT.js for the page in deploy/browser"
	@echo "make test         the tests, current lane (newest TensorFlow, Keras 3)"
	@echo "make test-addons  the tests, addons lane (TensorFlow 2.15, needs Python 3.11)"
	@echo "make nightly      the slow tests too: full-size models"
	@echo "make faults       trainings of every task, killed 50 times: they end as if they were not"
	@echo "make lint types   ruff and mypy"
	@echo "make docs         the documents' site, to build/docs/html; warnings are errors"
	@echo "make benchmarks   speed, as ratios"

demo: .venv/ready
	.venv/bin/hrnet-tf demo

browser:
	@python=$$($(call find_python,$(FITS),No Python 3.10 to 3.13 is installed)) \
		&& $$python deploy/browser/fetch.py

test: .venv/ready
	.venv/bin/python -m pytest

test-addons: .venv-addons/ready
	.venv-addons/bin/python -m pytest

nightly: .venv/ready
	.venv/bin/python -m pytest --slow

faults: .venv/ready
	.venv/bin/python -m pytest --slow tests/training/test_kills.py

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/ready
	.venv/bin/mypy

docs: .venv/ready
	.venv/bin/python -m docs.builder

benchmarks: .venv/ready
	.venv/bin/python -m benchmarks

clean:
	rm -rf .venv .venv-addons

# A Python that the shell finds may still be a stub or the wrong version: try each.
define find_python
for python in $(PYTHONS); do \
	if $$python -c $(1) >/dev/null 2>&1; then echo $$python; exit 0; fi; \
done; \
echo "$(2)" >&2; exit 1
endef

.venv/ready: requirements.txt setup.py
	@python=$$($(call find_python,$(FITS),No Python 3.10 to 3.13 with venv is installed; on Debian: apt-get install python3 python3-venv)) \
		&& $$python -m venv --clear .venv
	.venv/bin/python -m pip install --upgrade --quiet pip
	.venv/bin/python -m pip install --quiet --editable ".[dev]"
	@touch $@

.venv-addons/ready: requirements.txt setup.py
	@python=$$($(call find_python,$(FITS_ADDONS),The addons lane needs Python 3.11 with venv)) \
		&& $$python -m venv --clear .venv-addons
	.venv-addons/bin/python -m pip install --upgrade --quiet pip
	.venv-addons/bin/python -m pip install --quiet --editable ".[addons,dev]"
	@touch $@

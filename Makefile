# Every target makes what it needs in .venv: with uv where it is installed, else with venv and pip.
.DEFAULT_GOAL := help
.PHONY: help demo unit coverage test long hostile kills cluster tour compat mutants chaos wheel lint docs bench clean

VENV := .venv
BIN := $(VENV)/bin
VENDOR ?= scenario
# The first Python that Airflow 3 runs on and that can make an environment.
FIT := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
FIND := for p in python3 python3.12 python3.13 python3.11 python3.10 python; do \
	if $$p -c '$(FIT)' >/dev/null 2>&1; then command -v $$p; break; fi; done
INSTALL_IN = if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(1) $(2); \
	else $(BIN)/python -m pip --python $(1) install --quiet --disable-pip-version-check $(2); fi
INSTALL = $(call INSTALL_IN,$(BIN)/python,$(1))

help: ## show this
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(BIN)/python:
	@python="$$($(FIND))"; \
	if [ -z "$$python" ]; then \
		echo "No Python 3.10 to 3.13 with the venv module is found; install one and try again." >&2; exit 1; fi; \
	echo "Making $(VENV) with $$($$python --version) ..."; \
	$$python -m venv $(VENV)
	@command -v uv >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: $(BIN)/python pyproject.toml
	@echo "Installing Airflow and this provider into $(VENV) (once, a minute or two) ..."
	@$(call INSTALL,--editable .)
	@touch $@

$(VENV)/.testable: $(VENV)/.installed
	@echo "Installing what the tests need (once) ..."
	@$(call INSTALL,--group test)
	@touch $@

$(VENV)/.lintable: $(VENV)/.testable
	@echo "Installing what the checks need (once) ..."
	@$(call INSTALL,--group lint)
	@touch $@

demo: $(VENV)/.installed ## run a nightly export through Airflow, from a vendor sandbox into .demo/landed
	@$(BIN)/python dags_examples/demo $(VENDOR)

UNIT := tests/sansio tests/vendors tests/network tests/test_import_law.py

unit: $(VENV)/.testable ## run the tests that need neither Airflow nor a store (half a minute)
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(UNIT)

coverage: $(VENV)/.testable ## run them with more random inputs, and require every branch of the pure rooms
	@$(BIN)/python -m pytest -n 2 --dist worksteal --hypothesis-profile usual $(UNIT) \
		--cov airflow_provider_assets.sansio --cov airflow_provider_assets.vendors \
		--cov-branch --cov-report term-missing:skip-covered --cov-fail-under 100

# Four at a time on two cores, since they wait for servers half of the time.
test: $(VENV)/.testable ## run all tests but those of long, hostile, kills, tour and cluster
	@$(BIN)/python -m pytest -n 4 --dist worksteal -m "not (long or hostile or chaos or cluster or pages)"

long: $(VENV)/.testable ## run the tests that take long, which CONTRIBUTING.md lists
	@$(BIN)/python -m pytest -n 4 --dist worksteal -m long

TESTS ?= tests/hostile
export FULL

hostile: $(VENV)/.testable ## play hostile vendors, archives and stores; FULL=1 for the figures of the documentation
	@$(BIN)/python -m pytest -n 4 --dist worksteal $(TESTS)

kills: $(VENV)/.testable ## kill parts of a real Airflow and print what the vendor saw (five minutes)
	@$(BIN)/python -m pytest -m chaos

PICTURES := form-scenario:connect tested-scenario:test log:wait vendor-job:vendor-job landings:land

tour: $(VENV)/.testable ## take the pictures of docs/tour.md again, from a real Airflow (two minutes)
	@SCREENSHOTS=.demo/screenshots $(BIN)/python -m pytest tests/chaos/test_user_interface.py
	@for one in $(PICTURES); do cp .demo/screenshots/$${one%:*}.webp docs/images/$${one#*:}.webp; done

$(VENV)/.clusterable: $(VENV)/.testable
	@echo "Installing what a cluster of Celery workers needs (once) ..."
	@$(call INSTALL,--group cluster)
	@touch $@

cluster: $(VENV)/.clusterable ## lose a worker and a triggerer of a cluster (needs redis-server and PostgreSQL)
	@$(BIN)/python -m pytest -m cluster tests/chaos

$(VENV)/.compatible: $(BIN)/python
	@$(call INSTALL,--group compat)
	@touch $@

compat: $(VENV)/.compatible ## run the tests on every Airflow and every Python that is supported (an hour)
	@$(BIN)/python -m nox -s compat

$(VENV)/.mutable: $(VENV)/.testable
	@$(call INSTALL,--group mutants)
	@touch $@

mutants: $(VENV)/.mutable ## change the code in thousands of small ways, and count which changes no test notices (two hours)
	@$(BIN)/python -m mutmut run --max-children 2
	@$(BIN)/python -m mutmut export-cicd-stats

chaos: $(VENV)/.testable ## do so in every way and many times, and try many more random inputs
	@$(BIN)/python -m pytest tests/chaos tests/landing -m slow
	@$(BIN)/python -m pytest -n 2 --hypothesis-profile thorough tests/sansio tests/vendors \
		tests/landing/zips tests/landing/test_crc.py tests/landing/test_names.py

$(VENV)/.benchable: $(VENV)/.testable
	@echo "Installing what the benchmarks need (once) ..."
	@$(call INSTALL,--group bench)
	@touch $@

bench: $(VENV)/.benchable ## race the engine and the poller against the usual ways (gcc and OpenSSL headers)
	@$(BIN)/python benchmarks/dag_parse.py
	@$(BIN)/python benchmarks/transfer.py
	@$(BIN)/python benchmarks/unpack.py
	@$(BIN)/python benchmarks/waits.py --jobs 1000

lint: $(VENV)/.lintable ## check style, types and the law of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

$(VENV)/.documentable: $(VENV)/.installed
	@echo "Installing what the documentation needs (once) ..."
	@$(call INSTALL,--group docs)
	@touch $@

docs: $(VENV)/.documentable ## renew the tables of parameters and build the site into .site; a warning is an error
	@$(BIN)/python docs/parameters.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "Open .site/index.html"

$(VENV)/.releasable: $(VENV)/.testable
	@echo "Installing what a release needs (once) ..."
	@$(call INSTALL,--group release)
	@touch $@

wheel: $(VENV)/.releasable ## build the wheel into dist, and a list of all that is installed with it (SBOM)
	@rm -rf dist && $(BIN)/python -m build --wheel --outdir dist . >/dev/null
	@$(BIN)/python -m venv dist/clean && $(call INSTALL_IN,dist/clean/bin/python,dist/*.whl)
	@$(BIN)/cyclonedx-py environment dist/clean --pyproject pyproject.toml --output-reproducible \
		--output-file dist/sbom.cdx.json
	@rm -rf dist/clean && ls -l dist

clean: ## remove everything that the other targets made
	@rm -rf $(VENV) .demo .site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* .bench dist mutants

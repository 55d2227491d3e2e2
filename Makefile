# Each target installs what it needs into .venv and build/, and nothing anywhere else (pip keeps its own cache).
PYTHON ?= python3
VENV := .venv/bin/python
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache

.PHONY: help demo docs test sweep year tools engine e2e bench lint agent lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    the main job end to end on the embedded cloud; KEEP=1 leaves it up"
	@echo "make test    unit and integration tests"
	@echo "make sweep   every fault at every request, step of an install, and command of a set-up"
	@echo "make year    the renewer and the agent through a year of outages; LIFETIMES=\"6 45\" SEEDS=\"1 2\" for some"
	@echo "make tools   Pulumi's CLI, built with Go where there is none"
	@echo "make engine  the stack on Pulumi's real engine, with a provider of ours"
	@echo "make e2e     the demo's way seen by a real Chromium; screenshots in build/e2e"
	@echo "make bench   measured side by side with certbot, lego, awscli, dehydrated: build/bench/report.md"
	@echo "make lint    ruff and mypy (strict)"
	@echo "make docs    the documentation as a site, build/docs"
	@echo "make agent   build/synology-agent.pyz, the one file that goes to the NAS"
	@echo "make lock    pin the packages anew"
	@echo "make clean   remove .venv and build"

.venv/installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 …")'
	@echo "Installing the packages into .venv, once; it takes about a minute."
	@$(PYTHON) -m venv .venv
	@$(VENV) -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

demo: .venv/installed
	$(VENV) -m local_cloud.demo $(if $(KEEP),--keep)

test: .venv/installed
	$(VENV) -m pytest -n 4 --dist loadfile --no-loadscope-reorder --cov=lambda_renewer --cov=synology_agent \
		tests/integration tests/unit

sweep: .venv/installed
	$(VENV) -m tests.sweep.renewer_sweep
	$(VENV) -m tests.sweep.agent_sweep
	EVERY_POINT=1 $(VENV) -m pytest -q -n auto --maxprocesses 4 tests/integration/test_setup_interrupted.py

year: .venv/installed
	$(VENV) -m pytest -q -n 2 tests/year
	$(VENV) -m tests.year --lifetimes $(LIFETIMES) --seeds $(SEEDS) --days $(or $(DAYS),365)

tools: .venv/installed
	@$(VENV) -m local_cloud.engine.cli

engine: tools
	$(VENV) -m pytest tests/engine

e2e: .venv/installed
	$(VENV) -m pytest tests/e2e

bench: .venv/installed
	$(VENV) -m benchmarks $(if $(RUNS),--runs $(RUNS))

lint: .venv/installed
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy
	$(VENV) -m mypy --platform darwin synology_setup
	$(VENV) -m mypy --platform win32 synology_setup

docs: .venv/installed
	$(VENV) -m docs.scripts.messages
	git diff --exit-code docs/messages.md
	$(VENV) -m mkdocs build --strict --quiet

agent: .venv/installed
	$(VENV) -m synology_setup.agent_zipapp

UV = $(VENV) -m uv pip compile --quiet --custom-compile-command 'make lock'
PEER = --universal --generate-hashes --python-version 3.11
# What boto3 brings, which Lambda's runtime has, and nothing else of certbot's wants.
RUNTIME_HAS = boto3 botocore jmespath s3transfer python-dateutil six
lock: .venv/installed
	$(UV) --universal pyproject.toml -o requirements.txt
	$(UV) --universal --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	$(UV) --generate-hashes --python-version 3.13 --python-platform aarch64-manylinux_2_28 \
		-c requirements.txt lambda_renewer/requirements.in -o lambda_renewer/requirements.txt
	$(UV) --python-version 3.8 tests/requirements-agent.in -o tests/requirements-py38.txt
	$(UV) --universal --python-version 3.9 tests/requirements-agent.in -o tests/requirements-py39.txt
	$(UV) --universal local_cloud/ministack/requirements.in -o local_cloud/ministack/requirements.txt
	$(UV) --universal --generate-hashes --python-version 3.11 \
		local_cloud/acme2certifier-requirements.in -o local_cloud/acme2certifier-requirements.txt
	$(UV) $(PEER) benchmarks/peers/certbot.in -o benchmarks/peers/certbot.txt
	$(UV) $(PEER) benchmarks/peers/awscli.in -o benchmarks/peers/awscli.txt
	$(UV) $(PEER) $(addprefix --no-emit-package ,$(RUNTIME_HAS)) benchmarks/peers/certbot.in \
		-o benchmarks/peers/certbot-lambda.txt

clean:
	rm -rf .venv build

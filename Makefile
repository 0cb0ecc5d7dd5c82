# The README's two commands are `make lab` and `make test`. Everything lands in .venv; only `make tools` touches the system.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help lab regress test test-slow check tools install install-dev readme clean

BIN := .venv/bin
JOBS ?= 2
# Extra words for the command behind a target, such as `make lab ARGS=--quick` or `make test ARGS='-k quorum'`.
ARGS ?=
# A verdict and a crash can share an exit code; only a verdict leaves this file.
SCORECARD := .make/scorecard.json

help: ## this list
	@echo "make TARGET:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

lab: install ## set up .venv, then judge the RC3 deployment (succeeds whatever the verdicts)
	@echo "==> bitcell-sim verify rc3 $(ARGS)"
	@mkdir -p .make && rm -f $(SCORECARD)
	@$(BIN)/bitcell-sim verify rc3 --json $(SCORECARD) $(ARGS); code=$$?; \
	if [ $$code -le 2 ] && [ ! -s $(SCORECARD) ]; then \
	  echo "==> bitcell-sim ended without a scorecard (exit code $$code)" >&2; exit 70; \
	fi; \
	case $$code in \
	  0) echo "==> every target is met";; \
	  1) echo "==> at least one target is missed: the rows above say why";; \
	  2) echo "==> no target is missed, at least one is unknown: the rows above say why";; \
	  *) echo "==> bitcell-sim ended with exit code $$code" >&2; exit $$code;; \
	esac

regress: install-dev ## today's figures against the package's baseline, with plots in .make/regress
	@echo "==> bitcell-sim regress $(ARGS)"
	@$(BIN)/bitcell-sim regress --quiet --out .make/regress --history .make/regress-history.jsonl $(ARGS)

test: check ## set up .venv with the test tools, then every check and every test but the slow ones
	@echo "==> pytest: all but slow and house (house has just run)"
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow" --ignore=tests/house $(ARGS)

test-slow: install-dev ## the tests that take minutes
	@echo "==> pytest: slow"
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m slow $(ARGS)

check: install-dev ## ruff, mypy --strict, import layers, house rules
	@echo "==> ruff check, ruff format --check"
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@echo "==> mypy --strict"
	@$(BIN)/python -m mypy --strict
	@echo "==> import layers"
	@$(BIN)/lint-imports
	@echo "==> house rules"
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m "not slow" tests/house

tools: ## Prometheus' promtool, Alertmanager, HAProxy, Chromium by apt, no service started (needs root)
	@scripts/install-tools.sh

install: ## set up .venv with what a run needs
	@scripts/install.sh run

install-dev: ## set up .venv with what tests and checks need, too
	@scripts/install.sh dev

readme: install ## judge RC3 again and put the scorecard and its figure into README.md
	@mkdir -p .make && rm -f $(SCORECARD)
	@$(BIN)/bitcell-sim verify rc3 --no-gate --json $(SCORECARD) $(ARGS)
	@$(BIN)/python scripts/readme.py $(SCORECARD)

clean: ## remove .venv, builds and caches; runs/ stays
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .make
	find bitcell_sim tests experiments benchmarks notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

# Every target sets up what it needs: virtual environments in .venv, with pip. `make help` lists the targets.
PYTHON ?= python3
TIME ?= 1200
.DEFAULT_GOAL := help

.PHONY: help test slow soak lint types docs bench demo clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

test: ## run the tests on every supported Python that this machine has (ARGS="..." for pytest)
	$(PYTHON) tools/run_tests.py $(ARGS)

slow: ## run the slow tests, too
	$(PYTHON) tools/run_tests.py -m "slow or not slow" $(ARGS)

soak: ## compare programs that nobody here wrote, plain and instrumented, for a time (TIME=1200 seconds)
	$(PYTHON) tools/soak.py --seconds $(TIME) $(ARGS)

lint: ## check the style (ruff)
	$(PYTHON) tools/check.py ruff check $(ARGS)

types: ## check the types (mypy, strict)
	$(PYTHON) tools/check.py mypy $(ARGS)

docs: ## build the documentation as a site in build/site (ARGS=serve: show it)
	$(PYTHON) tools/build_docs.py $(ARGS)

bench: ## measure speed, as ratios to compile() (ARGS="--quick --python 3.13")
	$(PYTHON) tools/run_bench.py $(ARGS)

demo: ## count the calls of a third-party program that is instrumented for it
	$(PYTHON) tools/demo.py $(ARGS)

clean: ## remove the environments and what tools left behind
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

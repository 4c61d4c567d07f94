# Thin on purpose: what a target does is in package.json and in the TypeScript files it runs.
# The first target installs what the others need; Node 26 comes with it and is first on the PATH from then on.
SHELL := /bin/bash
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
IMAGE ?= localhost/ne-registry

.PHONY: help test unit integration e2e bench demo demo-down soak lint typecheck bundle image chart clean

help: ## This list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	@node --version >/dev/null 2>&1 || { echo "Node 26 needs libatomic1, which a minimal Debian lacks: installing it"; apt-get update -qq && apt-get install -y -qq --no-install-recommends libatomic1; }
	@touch $@

test: lint typecheck unit integration e2e ## Everything that must be green before a change goes in

unit: node_modules/.package-lock.json ## Unit and contract tests: seconds
	npm test

integration: node_modules/.package-lock.json ## Real HTTP, real clients, the chart against a real API server
	npm run test:integration

e2e: node_modules/.package-lock.json ## A real cluster (root, or a container engine with kind)
	npm run test:e2e

bench: node_modules/.package-lock.json ## Beside peers: one run, one table (CASES=manifest,blob BENCH_SECONDS=2 OUTPUT=json)
	node test/bench/main.ts --cases "$(CASES)" --seconds $(or $(BENCH_SECONDS),2) --rounds $(or $(BENCH_ROUNDS),3) \
	  --output $(or $(OUTPUT),table) $(if $(BENCH_BUNDLE),--bundle $(BENCH_BUNDLE)) $(if $(BENCH_BASELINE),--baseline $(BENCH_BASELINE)) $(BENCH_FLAGS)

demo: node_modules/.package-lock.json ## A cluster with a registry and a Pod from an image in it; again: changes nothing
	node test/e2e/demo.ts up

demo-down: ## Removes all that `make demo` made
	@[ -x node_modules/.bin/node ] || $(MAKE) node_modules/.package-lock.json
	node test/e2e/demo.ts down

soak: node_modules/.package-lock.json ## Kills, pushes, deletes and reclaim for SOAK_SECONDS (1800), and 5000 random interleavings
	NE_STRESS_SECONDS=$${SOAK_SECONDS:-1800} NE_MODEL_RUNS=5000 node --test --test-reporter=spec --test-concurrency=1 test/integration/registry/stress.test.ts test/integration/registry/reclaim-model.test.ts

lint: node_modules/.package-lock.json
	npm run lint

typecheck: node_modules/.package-lock.json
	npm run typecheck

bundle: node_modules/.package-lock.json ## dist/: both programs
	npm run bundle

image: node_modules/.package-lock.json ## The container image, with the container engine of this machine
	node build/image.ts $(IMAGE)

chart: node_modules/.package-lock.json ## Copies crds/ into the chart
	node build/chart.ts

clean: ## Removes what was built in the checkout
	rm -rf dist coverage node_modules/.cache

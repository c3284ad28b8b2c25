# taskexe: what can be made. `make help` lists it. Everything needs Node.js with npm; the rest comes with `npm ci`.
BUN := node_modules/.bin/bun
BIN := node_modules/.bin
INSTALLED := node_modules/.package-lock.json
SOURCES := $(shell find src -name '*.ts' -o -name '*.css' 2>/dev/null) scripts/build.ts scripts/page.ts \
  package.json package-lock.json

.DEFAULT_GOAL := help
.PHONY: help run test build package check format bench soak memory scale clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: dist/taskexe ## build, start an executor with the examples, feed it, stay until ctrl-C
	@exec $(BUN) scripts/run-demo.ts

test: dist/taskexe ## run all tests (ARGS="test/cli" for a part); installs what it needs where it can
	@sh scripts/need-redis.sh
	@sh scripts/need-python.sh
	@sh scripts/need-prometheus.sh
	@sh scripts/need-chromium.sh
	@BUILT_EXECUTABLE="$(CURDIR)/dist/taskexe" exec $(BUN) scripts/test.ts $(ARGS)

build: dist/taskexe ## dist/taskexe: one executable for this machine

dist/taskexe: $(INSTALLED) $(SOURCES)
	@$(BUN) scripts/build.ts $@

package: $(INSTALLED) ## dist/npm: the package for Bun, Node.js and Deno; `npm pack` there gives the tarball
	@$(BUN) scripts/package.ts

check: $(INSTALLED) ## format, lint, structure, floating promises, types, the digests of what is installed
	@status=0; \
	$(BIN)/biome check --error-on-warnings . || status=1; \
	$(BIN)/oxlint --type-aware --deny-warnings || status=1; \
	$(BIN)/tsc -p tsconfig.json || status=1; \
	$(BUN) scripts/check-lock.ts package-lock.json test/handlers/fixtures/packages/package-lock.json || status=1; \
	exit $$status

format: $(INSTALLED) ## mend what the formatter and the linter can mend
	@$(BIN)/biome check --write .

bench: dist/taskexe ## measure against the rivals; they run in the same run
	@sh scripts/need-redis.sh
	@exec $(BUN) scripts/bench/main.ts $(ARGS)

soak: dist/taskexe ## ten minutes of kills, all is accounted for; ARGS=--hour: an hour on each broker, all stays flat
	@sh scripts/need-redis.sh
	TASKEXE_BIN="$(CURDIR)/dist/taskexe" $(BUN) scripts/soak/main.ts $(ARGS)
	@case "$(ARGS)" in *--hour*|*--rate*) ;; *) MODEL_RUNS=200 $(BUN) test --timeout 1800000 test/model ;; esac

memory: dist/taskexe ## a million no-ops through one executor, and a million in a runner: memory must stay flat
	@sh scripts/need-redis.sh
	@exec $(BUN) scripts/memory-soak.ts $(ARGS)

scale: $(INSTALLED) ## a million tasks queued and a million scheduled: no call may be slower than with a thousand
	@sh scripts/need-redis.sh
	@$(BUN) scripts/soak/scale.ts --broker redis $(ARGS)
	@$(BUN) scripts/soak/scale.ts --broker sqlite $(ARGS)

clean: ## remove what was built and the demo's state
	rm -rf dist .state logs

# npm writes this file last, so it is newer than the lock exactly when the last install was complete.
$(INSTALLED): package-lock.json package.json
	npm ci
	@touch $@

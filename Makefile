# The commands that a newcomer needs; `make` alone lists them.

MAKEFLAGS += --no-print-directory
bin := node_modules/.bin
node = $(firstword $(wildcard node_modules/node-linux-*/bin/node))

.PHONY: help setup run test test-interop test-kernels lint format bench soak docs bpf dist clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## install what is missing, build bpf/ and web/; does nothing when nothing is missing
	@scripts/setup.sh $(setup_flags)

run: setup ## profile this host until Ctrl-C; a pprof file every ten seconds in profiles/
	@exec bin/obsforge run --config config/agent.yaml

test: setup_flags = --tests
test: setup lint ## run every test; what needs root, BPF or an absent runtime is skipped and says so
	@$(node) scripts/run-tests.ts

test-interop: setup ## test the exporters against the real OpenTelemetry Collector, built once by Go
	@$(node) test/interop/otelcol/build.ts
	@$(node) scripts/run-tests.ts test/interop/

test-kernels: setup ## boot older kernels and arm64 in qemu and profile there
	@$(node) test/kernels/run.ts

lint: setup ## check format, lint and import rules with Biome, types with tsc
	@$(node) $(bin)/biome check --error-on-warnings .
	@$(node) $(bin)/tsc -p .
	@$(node) $(bin)/tsc -p web
	@$(node) $(bin)/tsc -p test/browser

format: setup ## rewrite the sources in the format that `make lint` wants
	@$(node) $(bin)/biome check --write .

bench: setup_flags = --tests
bench: setup ## measure codecs, recording, agent, unwinding, symbols, flame graphs beside their peers
	@$(node) test/bench/profile-decode.ts
	@$(node) test/bench/record-cost.ts
	@$(node) test/bench/agent-cost.ts
	@$(node) test/bench/unwinding-kernel.ts
	@$(node) test/bench/unwinding-agent.ts
	@$(node) test/bench/unwinding-start.ts
	@$(node) test/bench/unwinding-files.ts
	@$(node) test/bench/symbolize.ts
	@$(node) test/bench/flamegraph.ts

soak: setup ## run the agent under churn for ten minutes and see that it does not grow
	@$(node) test/load/churn.ts --minutes 10

docs: setup ## write the option tables and the JSON schema from the components
	@$(node) scripts/generate-docs.ts

bpf: ## compile the BPF programs into build/bpf
	@$(MAKE) -C bpf

dist: setup ## compile src/ to dist/ for `npm pack`
	@rm -rf dist
	@$(node) $(bin)/tsc -p tsconfig.dist.json

clean: ## remove what was built
	@rm -rf build dist profiles
	@rm -f *.tgz

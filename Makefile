# make help lists what there is. "make run" needs Go alone, and npm for the page; "make test"
# installs the rest.

GO ?= go
FUZZTIME ?= 30s
SOAK ?= 30m

# The version is git's, where there is a checkout and a git to ask; a source archive is "(devel)".
GIT = test -e .git && git
VERSION := $(shell $(GIT) describe --tags --always --dirty 2>/dev/null || echo '(devel)')
REVISION := $(shell $(GIT) rev-parse HEAD 2>/dev/null || echo unknown)
# The linker gets both, so Go need not ask git itself, which fails in a checkout of another user.
BUILD = $(GO) build -trimpath -buildvcs=false \
	-ldflags '-X "main.version=$(VERSION)" -X "main.revision=$(REVISION)"'

PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

# What vite writes, and what that is made of. npm ci writes NPM_DONE last.
PAGE = web/dist/index.html
PAGE_SOURCES := $(shell find web/page -name node_modules -prune -o -type f -print)
NPM_DONE = web/page/node_modules/.package-lock.json
# All but what git keeps there, so that Go can compile web without a page.
EMPTY_DIST = find web/dist -mindepth 1 ! -name .placeholder -delete
# For targets that also do without npm: where CI=true they do not.
WITHOUT_PAGE = { [ "$${CI:-}" != true ] || { echo "with CI=true nothing is left out" >&2; exit 1; }; \
	echo "the tests of the page are left out" >&2; }

.DEFAULT_GOAL := help
.PHONY: help run build page binaries test tools check bench crash soak fuzz clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

run: ## build flowd and serve on 127.0.0.1:8080; with its page, if npm is there
	@{ sh .ci/npm && $(MAKE) --no-print-directory page; } || \
		echo "flowd is built without its page, or with that of before; make build builds it" >&2
	$(BUILD) -o bin/flowd ./cmd/flowd
	./bin/flowd serve

build: page ## build flowd, with its page, and flowload into bin/
	$(BUILD) -o bin/ ./cmd/...

# For those that never show the page, so that they need no npm.
binaries:
	$(BUILD) -o bin/ ./cmd/...

page: $(PAGE) ## build the page that flowd serves, if it is older than its sources; needs npm

$(PAGE): $(NPM_DONE) $(PAGE_SOURCES)
	$(EMPTY_DIST)
	cd web/page && npm run --silent build
	@touch $@

$(NPM_DONE): web/page/package-lock.json
	@sh .ci/npm
	cd web/page && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

test: tools ## install what the tests need, and run all of them under the race detector
	@if sh .ci/npm; then $(MAKE) --no-print-directory page; else $(WITHOUT_PAGE); fi
	CGO_ENABLED=1 $(GO) test -race ./...
	cd block/duckdb && CGO_ENABLED=1 $(GO) test ./...

# The race detector needs a C compiler, DuckDB one for C++, tests of the server curl and strace,
# those of the metrics promtool, and those of the page npm to build it and a browser to see it.
tools:
	@sh .ci/tools $$($(GO) env CC) $$($(GO) env CXX) curl strace promtool=prometheus npm chromium

check: ## formatting, vet, staticcheck, go.mod, the page, and builds for all platforms
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	cd block/duckdb && $(GO) vet ./... && $(GO) mod tidy -diff
	@if sh .ci/npm; then $(MAKE) --no-print-directory $(NPM_DONE) && cd web/page && npm run check && npm test; \
		else $(WITHOUT_PAGE); fi
	@set -e; for platform in $(PLATFORMS); do \
		echo "build for $$platform"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -buildvcs=false -o /dev/null ./...; \
	done

CRASH_SERVER = bin/flowd serve --data bin/crash --listen 127.0.0.1:0 --segment-bytes 17MiB --log-level warn \
	--checkpoint-log 1MiB --checkpoint-interval 1s --retention 10s --memory-budget 1MiB

crash: binaries ## kill a server 200 times under load, cut the power of the log, the blocks and the engine 3,000 times
	rm -rf bin/crash
	bin/flowload run --crash --kills 200 --agents 8 --tuples 500 --flows 20 --hours 3 --hour-posts 200 --duplicates 0.5 \
		--server "$(CRASH_SERVER)"
	rm -rf bin/crash
	FLOWD_CRASH_SEEDS=3000 $(GO) test -timeout 60m -run 'PowerCuts|Sabotage|Crashes' ./wal ./block ./local

soak: binaries ## load a server for 30 minutes with hours that expire, and show how memory and disk go
	rm -rf bin/soak
	bin/flowd serve --data bin/soak --listen 127.0.0.1:18080 --log-level warn \
		--checkpoint-interval 30s --checkpoint-log 256MiB --memory-budget 128MiB --retention 3m & \
	server=$$!; trap "kill $$server; wait $$server; rm -rf bin/soak" EXIT; \
	until curl -sf http://127.0.0.1:18080/readyz >/dev/null; do kill -0 $$server; sleep 1; done; \
	bin/flowload run --target http://127.0.0.1:18080 --for $(SOAK) --connections 16 --flows 100 --tuples 100000 --hours 2 \
		--hour-every 1m --server-data bin/soak --server-pid $$server

bench: ## measure flowd beside a ceiling and other servers, in one table
	$(GO) run ./loadtest/bench

fuzz: ## run every fuzz test for FUZZTIME (default 30s)
	@set -e; for package in $$($(GO) list ./...); do \
		targets=$$($(GO) test -list '^Fuzz' $$package); \
		for target in $$(echo "$$targets" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done

clean: ## remove what was built
	rm -rf bin web/page/node_modules
	$(EMPTY_DIST)

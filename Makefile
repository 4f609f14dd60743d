# make help lists what there is. "make run" needs Go alone; "make test" installs the rest.

GO ?= go
FUZZTIME ?= 30s

# The version is git's, where there is a checkout and a git to ask; a source archive is "(devel)".
GIT = test -e .git && git
VERSION := $(shell $(GIT) describe --tags --always --dirty 2>/dev/null || echo '(devel)')
REVISION := $(shell $(GIT) rev-parse HEAD 2>/dev/null || echo unknown)
# The linker gets both, so Go need not ask git itself, which fails in a checkout of another user.
BUILD = $(GO) build -trimpath -buildvcs=false \
	-ldflags '-X "main.version=$(VERSION)" -X "main.revision=$(REVISION)"'

PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

.DEFAULT_GOAL := help
.PHONY: help run build test tools check bench fuzz clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

run: ## build flowd and serve on 127.0.0.1:8080
	$(BUILD) -o bin/flowd ./cmd/flowd
	./bin/flowd serve

build: ## build flowd and flowload into bin/
	$(BUILD) -o bin/ ./cmd/...

test: tools ## install what the tests need, and run all of them under the race detector
	CGO_ENABLED=1 $(GO) test -race ./...

# The race detector needs a C compiler, a test of the command line needs curl.
tools:
	@sh .ci/tools $$($(GO) env CC) curl

check: ## formatting, vet, staticcheck, go.mod, and builds for all platforms
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	@set -e; for platform in $(PLATFORMS); do \
		echo "build for $$platform"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -buildvcs=false -o /dev/null ./...; \
	done

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
	rm -rf bin

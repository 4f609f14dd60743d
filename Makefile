# make help lists what there is. "make run" needs Go alone, and npm for the page; "make test"
# installs the rest.

GO ?= go
FUZZTIME ?= 30s
SOAK ?= 30m
FLOOD ?= 1000000/60s

# The version is git's, where there is a checkout and a git to ask; a source archive is "(devel)".
GIT = test -e .git && git
VERSION := $(shell $(GIT) describe --tags --always --dirty 2>/dev/null || echo '(devel)')
REVISION := $(shell $(GIT) rev-parse HEAD 2>/dev/null || echo unknown)
# When that was committed, as all files of a release say.
SOURCE_DATE_EPOCH ?= $(shell $(GIT) log -1 --format=%ct 2>/dev/null || echo 1)
# The linker gets both, so Go need not ask git itself, which fails in a checkout of another user. Without
# C, and without the name of the folder, it is the same program from every machine, and needs no library.
BUILD = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false \
	-ldflags '-X "main.version=$(VERSION)" -X "main.revision=$(REVISION)"'

PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
# Modules of their own, whose dependencies the server does not have. What Go caches of their tests does
# not know the files of other modules that they read.
MODULES = block/duckdb deploy/check deploy/packages

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
.PHONY: help run build page binaries test tools check release reproducible image image-files docker-test \
	bench compare profile crash openapi parquet-loop picture memory soak flood fuzz clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

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

# Go starts packages in this order, each once. The two that take longest are named first, since one that begins
# when all others have ended leaves processors idle. They and many others mostly wait, for a browser or for
# servers, so one more package than processors runs at a time.
PACKAGES_AT_ONCE ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

# The profile of cmd/flowd changes no behaviour, and all would be compiled once more for it.
test check: export GOFLAGS += -pgo=off

test: tools ## install what the tests need, and run all of them under the race detector
	@if sh .ci/npm; then $(MAKE) --no-print-directory page; else $(WITHOUT_PAGE); fi
	CGO_ENABLED=1 $(GO) test -race -p $(PACKAGES_AT_ONCE) -timeout 30m ./web/browser ./cmd/flowd ./...
	@set -e; for module in $(MODULES); do (cd $$module && CGO_ENABLED=1 $(GO) test -count=1 ./...); done

# The race detector needs a C compiler, DuckDB one for C++, tests of the server curl and strace,
# those of the metrics promtool, those of the page npm to build it and a browser to see it, those of
# the clients in the documents python3, and those of the packages systemd's, Debian's and Red Hat's own.
# What holds a server to its OpenAPI document comes from PyPI, into bin/.
tools:
	@sh .ci/tools "!$$($(GO) env CC)=$$($(GO) env CC) libc6-dev" $$($(GO) env CXX) curl strace promtool=prometheus \
		npm chromium python3 systemd-analyze=systemd dpkg-deb=dpkg rpm
	@sh .ci/schemathesis || [ "$${CI:-}" != true ]

check: ## formatting, vet, staticcheck, known vulnerabilities, go.mod, the page, and builds for all platforms
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./... && $(GO) vet -tags docker ./deploy/docker
	$(GO) tool staticcheck ./... && $(GO) tool staticcheck -tags docker ./deploy/docker
	$(GO) mod tidy -diff
	@set -e; for module in $(MODULES); do (cd $$module && $(GO) vet ./... && $(GO) mod tidy -diff); done
	GO=$(GO) sh .ci/vulnerabilities
	@if sh .ci/npm; then $(MAKE) --no-print-directory $(NPM_DONE) && cd web/page && npm run check && npm test; \
		else $(WITHOUT_PAGE); fi
	@set -e; for platform in $(PLATFORMS); do \
		echo "build for $$platform"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -buildvcs=false -o /dev/null ./...; \
	done

release: page ## build programs for all platforms, packages and their checksums into bin/release/
	rm -rf bin/release && mkdir -p bin/release
	@set -e; for platform in $(PLATFORMS); do \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		for program in flowd flowload; do \
			echo "$$program for $$platform"; \
			$(BUILD) -o bin/release/$$program-$$GOOS-$$GOARCH ./cmd/$$program; \
		done; \
	done
	@set -e; for platform in $(filter linux/%,$(PLATFORMS)); do \
		arch=$${platform#*/}; \
		(cd deploy/packages && $(GO) run . --version '$(VERSION)' --epoch $(SOURCE_DATE_EPOCH) --arch $$arch \
			--binary ../../bin/release/flowd-linux-$$arch --out ../../bin/release); \
	done
	cd bin/release && export LC_ALL=C && sha256sum * >SHA256SUMS

# Each copy has folders, a cache of Go and an umask of its own.
reproducible: ## build a release twice in two folders, and compare
	rm -rf bin/twice
	@set -e; for copy in one two/again; do \
		mkdir -p bin/twice/$$copy bin/twice/cache/$$copy; \
		$(SOURCES) | tar --null --files-from=- --create --file=- | tar --extract --directory=bin/twice/$$copy; \
		echo "a release in bin/twice/$$copy"; \
		GOCACHE=$$PWD/bin/twice/cache/$$copy $(MAKE) --no-print-directory -C bin/twice/$$copy release PLATFORMS=$$($(GO) env GOOS)/$$($(GO) env GOARCH) \
			VERSION='$(VERSION)' REVISION='$(REVISION)' SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH); \
		umask 077; \
	done
	diff bin/twice/one/bin/release/SHA256SUMS bin/twice/two/again/bin/release/SHA256SUMS
	cat bin/twice/one/bin/release/SHA256SUMS
	rm -rf bin/twice
# What git knows or would take.
SOURCES = git ls-files -z --cached --others --exclude-standard --deduplicate

# What .dockerignore lets into the image.
image-files: page
	rm -rf bin/image && mkdir -p bin/image/data
	GOOS=linux $(BUILD) -o bin/image/ ./cmd/flowd

IMAGE = flowd:$(subst $(close),,$(subst $(open),,$(VERSION)))
open = (
close = )
image: image-files ## build the image flowd:latest, also called by its version
	docker build --platform linux/$$($(GO) env GOARCH) --build-arg VERSION='$(VERSION)' --build-arg REVISION=$(REVISION) -t '$(IMAGE)' -t flowd:latest \
		-f deploy/docker/Dockerfile .

# The file system in which the packages are installed, once for all runs.
bin/debian.tar:
	mkdir -p bin
	@sh .ci/tools mmdebstrap
	mmdebstrap --quiet --variant=minbase --include=systemd-sysv,dbus,rpm bookworm $@

docker-test: image-files ## run the image and the packages in containers, under load, killed, upgraded
	@$(MAKE) --no-print-directory bin/debian.tar || { [ "$${CI:-}" != true ] || exit 1; \
		echo "the packages are not installed anywhere" >&2; }
	sh .ci/docker $(GO) test -tags docker -count=1 -timeout 20m ./deploy/docker

CRASH_SERVER = bin/flowd serve --data bin/crash --listen 127.0.0.1:0 --segment-bytes 17MiB --log-level warn \
	--checkpoint-log 1MiB --checkpoint-interval 1s --retention 10s --max-ahead 0 --memory-budget 1MiB

crash: binaries ## kill a server 200 times under load, cut the power of all that is synced 3,000 times, read beside it
	rm -rf bin/crash
	bin/flowload run --crash --kills 200 --agents 8 --tuples 500 --flows 20 --hours 3 --hour-posts 200 --duplicates 0.5 \
		--server "$(CRASH_SERVER)"
	rm -rf bin/crash
	FLOWD_CRASH_SEEDS=3000 $(GO) test -timeout 60m -run 'PowerCuts|Sabotage|Crashes|FoundByScans|BehindChecksums' ./wal ./block ./view ./local
	@$(MAKE) --no-print-directory parquet-loop

# In a module of its own, so that the server does not carry DuckDB.
parquet-loop: ## have DuckDB read the Parquet folder for 60 s beside a server that is killed and whose hours expire
	cd block/duckdb && FLOWD_PARQUET_LOOP=60s CGO_ENABLED=1 $(GO) test -count=1 -run TestReadersBesideAServer -v .

openapi: ## have schemathesis hold servers to their OpenAPI document, with many examples of 8 seeds; needs PyPI
	sh .ci/schemathesis
	FLOWD_OPENAPI_SEEDS=8 $(GO) test -race -count=1 -timeout 60m -v -run 'ServerIsAsItsDocument|FaultsOfAServerAreFound' ./cmd/flowd

picture: page ## take the picture of the page that the README shows; needs chromium
	CI=true FLOWD_PICTURE=$$PWD/docs/page.png $(GO) test -count=1 -run 'TestPicture$$' ./web/browser

memory: ## run servers in cgroups of 128, 300 and 512 MiB under a load of 8 million tuples, killed and started again; needs root
	FLOWD_MEMORY_TRIALS=all $(GO) test -count=1 -timeout 60m -v -run LivesWithinItsMemory ./cmd/flowd

soak: binaries ## load a server for 30 minutes with hours that expire, and show how memory and disk go
	rm -rf bin/soak
	bin/flowd serve --data bin/soak --listen 127.0.0.1:18080 --log-level warn \
		--checkpoint-interval 30s --checkpoint-log 256MiB --memory-budget 128MiB --retention 3m --max-ahead 0 & \
	server=$$!; trap "kill $$server; wait $$server; rm -rf bin/soak" EXIT; \
	until curl -sf http://127.0.0.1:18080/readyz >/dev/null; do kill -0 $$server; sleep 1; done; \
	bin/flowload run --target http://127.0.0.1:18080 --for $(SOAK) --connections 16 --flows 100 --tuples 100000 --hours 2 \
		--hour-every 1m --server-data bin/soak --server-pid $$server

flood: ## have one client refused 1,000,000 times in a minute, and measure what the log is then (FLOOD=1000000/60s)
	FLOWD_FLOOD=$(FLOOD) $(GO) test -count=1 -v -timeout 60m -run 'TestFlood$$' ./cmd/flowd

bench: ## measure flowd beside a ceiling and other servers, in one table
	$(GO) run ./loadtest/bench

compare: ## measure the tree beside another commit, in turns (BASE=<commit>), in under 8 minutes
	@test -n "$(BASE)" || { echo "say which commit: make compare BASE=<commit>" >&2; exit 2; }
	$(GO) run ./loadtest/bench --rounds 6 --for 1500ms --base '$(BASE)'

profile: binaries ## profile a server under load anew, for the compiler: cmd/flowd/default.pgo
	GO=$(GO) .ci/profile cmd/flowd/default.pgo

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

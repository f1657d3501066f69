# Bare `make` prints this menu: every target that has a comment behind "##".
.DEFAULT_GOAL := menu
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO        ?= go
FUZZTIME  ?= 10s
SIEGETIME ?= 5m
PLANS     ?= 100000
PAIRS     ?= 300
RUNS      ?= 50
BIN       := $(CURDIR)/.bin
export PATH := $(BIN):$(PATH)

# Versions of the linters; `make lint` builds them into .bin where they are not there yet.
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
STATICCHECK   := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The real peers that some tests talk to, as tool:package of Debian. Kept in step with .ci/run.
PEERS := tgtd:tgt iscsi-ls:libiscsi-bin qemu-img:qemu-utils tshark:tshark

.PHONY: menu build check test race peers bench arraybench realtime fifty mutants exhaustive pairs plans planted fuzz flows siege lint clean

menu:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

build: ## build the binary into .bin/iscsispec
	$(GO) build -o $(BIN)/iscsispec ./cmd/iscsispec

check: ## run all suites on the embedded peers; the report is out/index.html
	$(GO) run ./cmd/iscsispec check

test: peers ## run all tests; tests of real peers that are not installed skip, and say so
	$(GO) vet ./...
	$(GO) test -timeout 30m ./...

# Other people's programs are met on the wall clock, which the detector stretches: `make test` has them.
race: ## run the tests under the race detector, without those that meet real peers
	$(GO) test -race -timeout 40m $$($(GO) list ./... | grep -vE '/(gotgt|peers|peers/bench)$$')

peers: ## install the real peers that tests use, where this is Debian and you are root; else say what is missing
	@missing=(); for peer in $(PEERS); do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v "$${peer%%:*}" >/dev/null || missing+=("$${peer##*:}"); done; \
	ls /usr/lib/*/qemu/block-iscsi.so >/dev/null 2>&1 || missing+=(qemu-block-extra); \
	[[ -e /usr/include/iscsi/iscsi.h ]] || missing+=(libiscsi-dev); \
	if ((!$${#missing[@]})); then exit 0; fi; \
	if [[ $$(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then \
	  echo "== installing $${missing[*]}"; \
	  (export DEBIAN_FRONTEND=noninteractive; apt-get update -q && apt-get install -y -q --no-install-recommends "$${missing[@]}") \
	    || echo "== could not install $${missing[*]}: the tests that need them will skip"; \
	else \
	  echo "== not installed: $${missing[*]}. The tests that need them will skip."; \
	  echo "   On Debian: sudo apt-get install --no-install-recommends $${missing[*]}"; \
	fi

bench: peers ## run the benchmarks, measure the initiator beside libiscsi, and the simulated array beside other targets
	$(GO) test -run '^$$' -bench . -benchmem ./...
	$(GO) run ./scenarios/peers/bench
	$(GO) run ./scenarios/peers/bench/array

arraybench: peers ## only the array's part of bench: speed, memory of idle sessions, many logins (about 5 minutes)
	$(GO) run ./scenarios/peers/bench/array

realtime: peers ## 20 cuts between the initiator and tgt within 3 minutes of real time, the clocks judged
	ISCSISPEC_REALTIME=1 $(GO) test -count=1 -run TestClocksInRealTime -v -timeout 10m ./scenarios/peers

fifty: peers ## run the target suite RUNS times (50) against tgt: the same verdicts each time, and no session left behind
	ISCSISPEC_RUNS=$(RUNS) $(GO) test -count=1 -run '^TestRunsAlike$$' -v -timeout 180m ./scenarios/peers

mutants: ## prove every check: it passes the sound peer and fails the peer with its row's defect
	$(GO) run ./cmd/iscsispec mutants

exhaustive: ## cut the link at every single position of seven scenarios before every array; print how many there are
	GOGC=1000 ISCSISPEC_EXHAUSTIVE=1 $(GO) test -count=1 -run Exhaustive -v -timeout 60m ./scenarios/cuts

pairs: ## cut it a second time while the session comes back: PAIRS pairs (300) of each scenario before each array
	ISCSISPEC_PAIRS=$(PAIRS) $(GO) test -count=1 -run Pairs -v -timeout 120m ./scenarios/cuts

plans: ## run random plans until all faults of PLANS of them (100000) fired, and judge the data; failing ones are shrunk and saved in out/plans
	GOGC=1000 ISCSISPEC_PLANS=$(PLANS) ISCSISPEC_PLANS_OUT=$(CURDIR)/out/plans $(GO) test -run '^TestPlans$$' -v -timeout 120m ./scenarios/integrity

# Go 1.26's fuzzer now and then reports its own deadline as a failure (go.dev/issue/75804). A failure without a failing input, with
# nothing but that deadline, is told and passed over.
define fuzzed
fuzzed() { \
  local said; said=$$(mktemp); \
  if ! $(GO) test "$$@" -run '^$$' -fuzzminimizetime 10x 2>&1 | tee "$$said"; then \
    grep -q '^    context deadline exceeded$$' "$$said" && ! grep -qE 'Failing input written|panic:|DATA RACE' "$$said" || return 1; \
    echo "== ended by the fuzzer's own deadline, without a failing input"; \
  fi; \
  rm -f "$$said"; }
endef

planted: ## find ten defects planted in the login paths of both peers, each within 60 s, and shrink the flows that show them
	ISCSISPEC_PLANTED=60 $(GO) test -count=1 -run TestPlantedDefectsAreFound -v -timeout 20m ./scenarios/fuzz

fuzz: ## fuzz every codec and every peer for FUZZTIME each (10s)
	@$(fuzzed); for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
	    echo "== $$package $$target"; \
	    fuzzed -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" || exit 1; \
	  done; done

FLOWTIME ?= 10m
flows: ## random login flows against our own array and initiator for FLOWTIME (10m), judged by models; print what was covered
	$(GO) run ./cmd/iscsispec fuzz login --for $(FLOWTIME)

siege: ## fuzz the connections of a simulated array for SIEGETIME each (5m), under the race detector
	@$(fuzzed); for target in FuzzConnection FuzzSiege; do \
	  echo "== $$target"; \
	  fuzzed -race -fuzz "^$$target\$$" -fuzztime $(SIEGETIME) ./simtarget || exit 1; \
	done

lint: ## gofmt, go vet, staticcheck, golangci-lint with the import map
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [[ -z "$$unformatted" ]] || { echo "not gofmt'ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	@command -v staticcheck >/dev/null || GOBIN=$(BIN) $(GO) install $(STATICCHECK)
	staticcheck ./...
	@command -v golangci-lint >/dev/null || GOBIN=$(BIN) $(GO) install $(GOLANGCI_LINT)
	golangci-lint run ./...

clean: ## take away what make and check left
	rm -rf $(BIN) out

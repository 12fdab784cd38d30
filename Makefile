# make help lists the targets. What is missing is fetched: Go modules, the
# ClickHouse engine (178 MB, once per user), Apache Kafka for the tests (needs
# Java 17 and Maven).

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK ?= golang.org/x/vuln/cmd/govulncheck@v1.9.0
BENCH       ?= .
BENCHTIME   ?= 1s
# The one that takes longest begins first.
PACKAGES    ?= ./internal/e2e ./...

.DEFAULT_GOAL := help
.PHONY: help build demo test race chaos chaos-ingest chaos-delivery chaos-sink bench bench-engine bench-ingest bench-trigger microbench verify lint vuln generate clean screenshots bench-analytics

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/posthorn
	$(GO) build -trimpath -o bin/posthorn ./cmd/posthorn

demo: build ## the whole way with simulated campaigns (ONESHOT=1 ends after the story)
	bin/posthorn demo

test: build ## all tests, on a real Apache Kafka and on the embedded one (PACKAGES=./...)
	bin/posthorn engine
	$(GO) run ./internal/testkafka/cmd/with-kafka $(GO) test -timeout 20m $(PACKAGES)

race: build ## the tests with the race detector (PACKAGES=./...)
	bin/posthorn engine
	$(GO) run ./internal/testkafka/cmd/with-kafka $(GO) test -race -timeout 40m $(PACKAGES)

SEED ?= 1
# The short run must count fewer faults in its time; the long one is kept.
CHAOS = -faults 200 -duration 30m -report internal/chaos/reports/$$(date -u +%Y-%m-%d)-seed-$(SEED).md
ifdef SHORT
CHAOS = -faults 10 -duration 2m
endif
CHAOS_INGEST = -kills 20 -duration 12m -report internal/chaos/reports/$$(date -u +%Y-%m-%d)-gateway-seed-$(SEED).md
ifdef SHORT
CHAOS_INGEST = -kills 5 -duration 2m
endif
CHAOS_DELIVERY = -kills 10 -quiet 60s -pause 8s
ifdef SHORT
CHAOS_DELIVERY = -kills 10 -quiet 6s -pause 2s
endif
CHAOS_SINK = 150
ifdef SHORT
CHAOS_SINK = 26
endif

chaos: ## break a three-broker cluster and its workers, verify (SEED=1; SHORT=1: 3 minutes)
	$(GO) run ./internal/chaos -seed $(SEED) $(CHAOS)

chaos-ingest: build ## kill the gateway 20 times under load, fill its disk, take Kafka away; nothing is lost (SEED=1; SHORT=1: 2 minutes)
	$(GO) run ./internal/chaos -gateway -seed $(SEED) -rate 300 $(CHAOS_INGEST)

chaos-delivery: ## kill workers that call 50 endpoints, half of them dead, with 10,000 calls pending; nothing is lost or called again once recorded (SEED=1; SHORT=1: a minute)
	$(GO) run ./internal/chaos -delivery -seed $(SEED) $(CHAOS_DELIVERY)

chaos-sink: ## break ClickHouse, two sinks and their Kafka 150 times under load; the tables hold what the topics do (SEED=1; SHORT=1: a minute)
	POSTHORN_TEST_FAULTS=$(CHAOS_SINK) POSTHORN_TEST_FAULTS_SEED=$(SEED) POSTHORN_TEST_FAULTS_APACHE=1 \
		$(GO) test -count=1 -v -timeout 20m -run '^TestSinkFaults$$' ./analytics

# One after the other: each has the machine to itself.
BENCHES = ./processor/normalize:TestBenchCodec ./internal/e2e:TestBenchStages ./internal/e2e:TestBenchRules \
	./internal/e2e:TestBenchPipeline ./internal/e2e:TestBenchLatency

bench: build ## measure gateway, codec, stages, pipeline and latency (POSTHORN_BENCH_EVENTS=1000000)
	bin/posthorn engine
	@results=$$(mktemp); failed=0; \
	echo "== bench-ingest"; out=$$(SHORT=1 $(MAKE) --no-print-directory bench-ingest 2>&1) || failed=1; \
	echo "$$out" | grep -v '^RESULT '; echo "$$out" | grep '^RESULT ' > $$results; \
	for b in $(BENCHES); do \
		echo "== $${b#*:}"; \
		out=$$(POSTHORN_BENCH=1 $(GO) test -count=1 -v -timeout 30m -run "^$${b#*:}$$" $${b%%:*} 2>&1) || failed=1; \
		echo "$$out" | grep -v '^=== RUN'; echo "$$out" | grep '^ *RESULT ' >> $$results; \
	done; echo; sed 's/^ *//' $$results; rm -f $$results; exit $$failed

# Decoding first, so that all results are at the end.
bench-ingest: ## the gateway beside one that only forwards and one that is naive, on both Kafkas (SHORT=1: a minute; ARGS='-case "1 event, 64, basic"')
	@decode=$$(mktemp); failed=0; \
	POSTHORN_BENCH=1 $(GO) test -count=1 -v -run '^TestBenchDecode$$' ./ingest/provider > $$decode 2>&1 || failed=1; \
	grep -v -e '^=== RUN' -e '^RESULT ' $$decode; \
	SHORT=$(SHORT) $(GO) run ./internal/ingestbench $(ARGS) || failed=1; \
	grep '^RESULT ' $$decode; rm -f $$decode; exit $$failed

bench-trigger: build ## from the POST of a webhook to the arrival of its callback, at 1,000 events/s
	bin/posthorn engine
	@POSTHORN_BENCH=1 $(GO) test -count=1 -v -timeout 10m -run '^TestBenchLatency$$' ./internal/e2e | grep -v '^=== RUN'

bench-engine: ## the stream engine beside Kafka Streams and goka, large state, failover, latency, idle cost (ARGS='-sections engines')
	@$(GO) run ./internal/enginebench $(ARGS)

bench-analytics: build ## sink, freshness and the API's queries on 20 million events (SHORT=1: a smoke test; EVENTS=20000000; ARGS='-data DIR -growth 2000000')
	bin/posthorn engine
	@SHORT=$(SHORT) EVENTS=$(EVENTS) $(GO) run ./internal/analyticsbench $(ARGS)

microbench: ## benchmarks of single functions (BENCH=regexp, BENCHTIME=1s)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) ./...

verify: build ## recompute and compare what the posthorn in posthorn-data has derived
	bin/posthorn verify

screenshots: build ## the pictures of the dashboard in the README, by Chromium
	bin/posthorn engine
	POSTHORN_SCREENSHOTS=$(CURDIR)/analytics/dashboard/screenshots $(GO) test -count=1 -v -run '^TestScreenshots$$' ./internal/e2e

lint: generate ## formatting, vet, staticcheck, generated code
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

vuln: ## known vulnerabilities (asks the Go vulnerability database)
	$(GO) run $(GOVULNCHECK) ./...

# The generated code must be what the schemas give: it is generated again, and
# must not have changed.
generate:
	@before=$$(git ls-files '*_gen.go' | xargs cat | cksum); \
	$(GO) generate ./... && \
	after=$$(git ls-files '*_gen.go' | xargs cat | cksum); \
	if [ "$$before" != "$$after" ]; then echo "generated code was out of date: commit it"; git diff --stat -- '*_gen.go'; exit 1; fi

clean: ## what was built
	rm -rf bin

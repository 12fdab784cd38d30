//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/posthorn/posthorn/internal/testkafka"
)

// failed tells whether the run shows that something is wrong. What a spool sets
// aside is damage, which no fault here does.
func (r *ingestResult) failed(o options) bool {
	return r.err != nil || r.kills < o.kills || len(r.crashes) > 0 || len(r.aside) > 0 || r.client.left > 0 ||
		r.topic == nil || r.topic.lost+r.topic.wrong > 0 || r.miscounted() != 0
}

// printResults writes the RESULT lines.
func (r *ingestResult) printResults(w io.Writer) {
	fmt.Fprintf(w, "RESULT ingest_kills %d count\n", r.kills)
	fmt.Fprintf(w, "RESULT ingest_acknowledged %d count\n", r.client.answers)
	if r.topic != nil {
		fmt.Fprintf(w, "RESULT ingest_lost %d count\n", r.topic.lost)
		fmt.Fprintf(w, "RESULT ingest_wrong %d count\n", r.topic.wrong)
	}
	if r.verify != nil {
		fmt.Fprintf(w, "RESULT ingest_miscounted %d count\n", r.miscounted())
	}
}

// details are the first things that are wrong.
func (r *ingestResult) details() (all []string) {
	for _, path := range r.aside {
		all = append(all, "set aside by a spool: "+path)
	}
	if r.topic != nil {
		all = append(all, r.topic.details...)
	}
	return all
}

// printRefusals writes what was not acknowledged, by answer.
func (r *ingestResult) printRefusals(w io.Writer) {
	for _, status := range slices.Sorted(maps.Keys(r.client.statuses)) {
		fmt.Fprintf(w, "- %d times %s\n", r.client.statuses[status], status)
	}
}

// writeIngestReport writes the run down in Markdown.
func writeIngestReport(path string, o options, r *ingestResult) error {
	return writeMarkdown(path, func(p func(format string, args ...any), w io.Writer) {
		verdict := "passed"
		if r.failed(o) {
			verdict = "FAILED"
		}
		p("# Chaos run of the gateway with seed %d: %s\n", o.seed, verdict)
		p("%s, %s on %d cores. Three brokers of Apache Kafka %s, %d partitions, replication %d; %d gateways, spool %t; one worker of all stages.\n",
			time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.Version(), runtime.NumCPU(), testkafka.Version(), partitions, replication, gateways, o.spool)
		p("Again: `make chaos-ingest SEED=%d`, which is `go run ./internal/chaos -gateway -seed %d -kills %d -duration %s -rate %d`\n", o.seed, o.seed, o.kills, o.duration, o.rate)
		p("## Result\n")
		p("```")
		r.printResults(w)
		p("```\n")
		p("- %d faults struck, %d kills of a gateway among them hit requests in flight or a spool in use, in %.0f s; the whole run took %.0f s",
			len(r.struck), r.kills, r.faulted.Seconds(), r.took.Seconds())
		p("- %s", r.client)
		p("- the slowest acknowledgement took %.1f s", r.client.slowest.Seconds())
		if r.topic != nil {
			p("- `posthorn.webhooks`: %s", r.topic)
		}
		p("- the client has posted %d distinct events, %d were counted", r.client.events, r.events)
		if r.err != nil {
			p("- the run itself: %v", r.err)
		}
		for _, c := range r.crashes {
			p("- a process ended by itself: %s", c)
		}
		for _, path := range r.aside {
			p("- set aside by a spool: %s", path)
		}
		p("\nNot acknowledged, and posted again:\n")
		r.printRefusals(w)
		if r.verify != nil {
			p("\n```")
			r.verify.Print(w)
			p("```")
		}
		if r.topic != nil {
			for _, d := range r.topic.details {
				p("- %s", d)
			}
		}
		reportFaults(p, gatewayKinds, r.began, r.struck,
			"every gateway can store webhooks and no spool holds any")
	})
}

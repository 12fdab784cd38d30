// Command enginebench measures the stream engine: the same job in Kafka Streams
// and in goka, state of 10 million keys, restart and failover, latency of
// triggers, and what an idle pipeline costs. job.go says what the job is.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"
)

// childEnv holds the run of a process that is the job on this engine.
const childEnv = "POSTHORN_ENGINEBENCH_RUN"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if spec := os.Getenv(childEnv); spec != "" {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(gcPercent)
		}
		exit(child(ctx, spec))
	}
	exit(bench(ctx))
}

// gcPercent is what the processes of cmd/posthorn work with.
const gcPercent = 200

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "enginebench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(ctx context.Context, spec string) error {
	var r run
	if err := json.Unmarshal([]byte(spec), &r); err != nil {
		return fmt.Errorf("reading %s: %w", childEnv, err)
	}
	if r.Profile != "" {
		f, err := os.Create(filepath.Join(r.Profile, fmt.Sprintf("%s.%d.cpu", r.Name, os.Getpid())))
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if len(r.Stages) > 0 {
		return runPipeline(ctx, r)
	}
	return runPosthorn(ctx, r)
}

type options struct {
	sections                           string
	events, rounds, threads, cacheMB   int
	commit                             time.Duration
	fewKeys, manyKeys, keyEvents, rate int
	latency, idle                      time.Duration
	engines                            string
	dir                                string
}

func bench(ctx context.Context) error {
	var o options
	flag.StringVar(&o.sections, "sections", "engines,keys,latency,idle", "what to measure")
	flag.StringVar(&o.engines, "engines", "posthorn,kafka streams,goka", "engines to compare")
	flag.IntVar(&o.events, "events", 900_000, "events of a round of the comparison, a third of them warm-up")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of the comparison")
	flag.IntVar(&o.threads, "threads", 2, "threads of Kafka Streams")
	flag.IntVar(&o.cacheMB, "cache", 256, "MiB of store cache of Kafka Streams")
	flag.DurationVar(&o.commit, "commit", 100*time.Millisecond, "commit interval")
	flag.IntVar(&o.fewKeys, "few-keys", 100_000, "keys of the small state")
	flag.IntVar(&o.manyKeys, "many-keys", 10_000_000, "keys of the large state")
	flag.IntVar(&o.keyEvents, "key-events", 1_500_000, "events on each of these states")
	flag.IntVar(&o.rate, "rate", 5000, "events/s of the latency measurement")
	flag.DurationVar(&o.latency, "latency", 30*time.Second, "length of the latency measurement")
	flag.DurationVar(&o.idle, "idle", 30*time.Second, "length of the idle measurement")
	flag.StringVar(&o.dir, "dir", "", "directory for state; a temporary one if empty")
	flag.StringVar(&profileDir, "profile", "", "directory for CPU profiles of Posthorn's runs")
	flag.Parse()

	if o.dir == "" {
		dir, err := os.MkdirTemp("", "posthorn-enginebench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	fmt.Printf("%s; load average %s\n", environment(), loadAverage())
	fmt.Printf("one Apache Kafka broker on loopback, replication 1, %d partitions, acks=all, snappy; commit interval %s\n", partitions, o.commit)
	all := map[string]func(context.Context, options) error{
		"engines": benchEngines, "keys": benchKeys, "latency": benchLatency, "idle": benchIdle,
	}
	for _, name := range strings.Split(o.sections, ",") {
		section := all[name]
		if section == nil {
			return fmt.Errorf("no section %q", name)
		}
		fmt.Printf("== %s\n", name)
		if err := section(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func benchEngines(ctx context.Context, o options) error {
	b, err := startBroker(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	fmt.Printf("kafka streams: exactly_once_v2, RocksDB, %d threads, %d MiB store cache, -Xmx2g, G1; goka: at least once, LevelDB\n", o.threads, o.cacheMB)
	c := b.newComparison(o.dir, o.events, o.commit)
	fmt.Printf("%d events, %d triggers, %d windows\n", o.events, len(c.want.triggers), len(c.want.counts))
	var engines []engine
	for _, e := range []engine{posthorn(), kafkaStreams(o.threads, o.cacheMB), goka()} {
		if strings.Contains(o.engines, e.name) {
			engines = append(engines, e)
		}
	}
	m, err := c.rounds(ctx, o.rounds, engines...)
	if err != nil {
		return err
	}
	p := m["posthorn"]
	for _, peer := range []struct{ engine, result string }{{"kafka streams", "kafka_streams"}, {"goka", "goka"}} {
		if x, ok := m[peer.engine]; ok && p.cpu > 0 {
			fmt.Printf("RESULT engine_vs_%s_per_cpu %.2f x\n", peer.result, x.cpu/p.cpu)
			fmt.Printf("RESULT engine_vs_%s_events_per_s %.2f x\n", peer.result, p.rate/x.rate)
		}
	}
	return nil
}

// Command ingestbench measures the gateway beside the floor, a handler that does
// nothing but forward the body, and beside a naive gateway that decodes every
// event. servers.go says what each one does, report.go what is made of it.
//
// Every server is a process of its own, and so is the embedded broker; the load
// comes from this one. The variants take turns in rounds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if role := os.Getenv(childEnv); role != "" {
		exit(child(ctx, role))
	}
	exit(bench(ctx))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "ingestbench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// options say what is measured and for how long.
type options struct {
	brokers    string
	cases      []load
	warmUp     time.Duration
	rounds     int
	closed     time.Duration // a round at saturation
	openRounds int
	open       time.Duration // a round at a fixed rate
	profile    string
}

func bench(ctx context.Context) error {
	o := full
	if os.Getenv("SHORT") != "" {
		o = brief
	}
	flag.StringVar(&o.brokers, "brokers", o.brokers, "brokers to measure against")
	flag.StringVar(&o.profile, "profile", "", "directory for CPU profiles of the servers")
	only := flag.String("case", "", "only the loads whose name contains this, such as '1 event, 64'")
	flag.IntVar(&o.rounds, "rounds", o.rounds, "rounds of each load at saturation")
	flag.IntVar(&o.openRounds, "paced-rounds", o.openRounds, "rounds of each load at a fixed rate")
	flag.DurationVar(&o.closed, "saturated", o.closed, "length of a round at saturation")
	flag.DurationVar(&o.open, "paced", o.open, "length of a round at a fixed rate; 0 for none")
	flag.Parse()
	o.cases = matching(o.cases, *only)
	if len(o.cases) == 0 {
		return fmt.Errorf("no load is called %q", *only)
	}
	fmt.Printf("%d cores, %s; load average %s\n", runtime.NumCPU(), runtime.Version(), loadAverage())
	fmt.Printf("all servers: the same producer (acks=all, idempotent, no linger, snappy), GOGC=%d; %d rounds at saturation and %d at a fixed rate, in turns\n", gcPercent, o.rounds, o.openRounds)
	all, err := measure(ctx, o)
	if err != nil {
		return err
	}
	all.print(os.Stdout)
	return nil
}

func matching(loads []load, text string) (found []load) {
	for _, l := range loads {
		if strings.Contains(l.String(), text) {
			found = append(found, l)
		}
	}
	return found
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:2], " ")
}

// gcPercent is what the processes of cmd/posthorn work with.
const gcPercent = 200

func init() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

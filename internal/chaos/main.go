//go:build linux

// The command chaos breaks a running pipeline again and again and then checks
// that every number is exact.
//
//	go run ./internal/chaos -seed 1 -faults 200 -duration 30m
//
// It starts a real Apache Kafka of three brokers and three worker processes
// with all stages, each worker behind proxies and with a disk of its own, and
// writes webhooks all the time. Workers and brokers are killed, frozen and
// restarted, connections are cut, delayed and swallowed, disks filled, state
// deleted and replaced by older state, leaders moved, the group rescaled. A
// fault counts only if it hit work in progress: input was waiting or a
// transaction was open at that moment on what was hit, as the brokers saw it.
//
// At the end the verifier recomputes everything from posthorn.webhooks; what
// the harness's own stage with timers has put out is recomputed here. The
// faults, what they hit and their pauses follow from the seed alone; -plan
// prints them. The interleaving with the work does not.
//
//   - schedule.go, kinds.go: which faults, of which kinds, when;
//   - strike_*.go: what each does;
//   - fleet.go, worker.go, proxies.go, disk.go: the workers and what is around them;
//   - load.go: the webhooks; watch.go: the work in progress;
//   - absence.go, absence_check.go: the stage with timers, and its check;
//   - run.go, report.go: the run, and what is kept of it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		if err := runWorker(); err != nil {
			fmt.Fprintln(os.Stderr, "chaos worker:", err)
			os.Exit(1)
		}
		return
	}
	ok, err := command()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func command() (ok bool, err error) {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "decides the faults, what they hit, and when")
	flag.IntVar(&o.faults, "faults", 200, "faults that must hit work in progress")
	flag.DurationVar(&o.duration, "duration", 30*time.Minute, "limit of the time with faults")
	flag.IntVar(&o.rate, "rate", 600, "events per second")
	flag.StringVar(&o.report, "report", "", "file to write the report to")
	flag.StringVar(&o.dir, "dir", "", "folder for logs and state, kept at the end; default: a temporary one, removed unless the run fails")
	plan := flag.Int("plan", 0, "print that many rounds of the plan and end")
	flag.Parse()
	if *plan > 0 {
		printPlan(o.seed, *plan)
		return true, nil
	}
	zerolog.SetGlobalLevel(zerolog.Disabled) // the proxies trace every stream
	temporary := o.dir == ""
	if temporary {
		if o.dir, err = os.MkdirTemp("", "posthorn-chaos-"); err != nil {
			return false, err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	res, err := execute(ctx, o, os.Stdout)
	if res == nil {
		return false, err
	}
	if o.report != "" {
		if err := writeReport(o.report, o, res); err != nil {
			return false, err
		}
	}
	for _, c := range res.crashes {
		fmt.Println("a process ended by itself:", c)
	}
	if res.err != nil {
		fmt.Println("the run:", res.err)
	}
	res.printResults(os.Stdout)
	if res.failed(o) || err != nil {
		fmt.Println("FAILED; logs are in", o.dir)
		return false, err
	}
	if temporary {
		return true, os.RemoveAll(o.dir)
	}
	return true, nil
}

func printPlan(seed uint64, rounds int) {
	s := newSchedule(seed)
	for i := range rounds {
		fmt.Println("round", i+1)
		for _, f := range s.next() {
			fmt.Printf("  %s, %d ms into the round\n", f, f.After.Milliseconds())
		}
	}
}

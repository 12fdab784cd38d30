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
// With -gateway it breaks the gateway: processes of bin/posthorn with a spool
// each, between a client that notes every 2xx and the same brokers. At the end
// every webhook that was acknowledged must be in posthorn.webhooks, and every
// event counted once.
//
//	go run ./internal/chaos -gateway -seed 1 -kills 20 -duration 12m
//
// With -delivery it kills workers that call endpoints, half of which are dead:
// nothing may be missing at those that live, nobody called again once that is
// recorded, and no dead endpoint may delay another.
//
//		go run ./internal/chaos -delivery -seed 1 -kills 10
//
//	  - schedule.go, kinds.go: which faults, of which kinds, when;
//	  - strike_*.go: what each does;
//	  - fleet.go, process.go, worker.go, proxies.go, disk.go: the workers and what is around them;
//	  - load.go: the webhooks; watch.go: the work in progress;
//	  - absence.go, absence_check.go: the stage with timers, and its check;
//	  - run.go, report.go: the run, and what is kept of it;
//	  - gateway.go, client.go, senders.go: the gateways, and who posts what to them;
//	  - ingest_run.go, ingest_check.go, ingest_report.go: their run;
//	  - shops.go, delivery_worker.go: the endpoints, and the workers that call them;
//	  - delivery_run.go, delivery_check.go: their run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

func main() {
	workers := map[string]func() error{"worker": runWorker, "delivery-worker": runDeliveryWorker}
	if len(os.Args) == 2 && workers[os.Args[1]] != nil {
		if err := workers[os.Args[1]](); err != nil {
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
	gateway := flag.Bool("gateway", false, "break the gateway instead of the workers")
	deliver := flag.Bool("delivery", false, "kill workers that call endpoints, half of which are dead")
	flag.DurationVar(&o.quiet, "quiet", 30*time.Second, "with -delivery: time before the kills in which the delay of calls is measured")
	flag.DurationVar(&o.pause, "pause", 6*time.Second, "with -delivery: mean time between kills")
	flag.IntVar(&o.kills, "kills", 20, "with -gateway: kills of a gateway that must hit work in progress; with -delivery: kills of a worker")
	flag.StringVar(&o.posthorn, "posthorn", "bin/posthorn", "with -gateway: the binary to run it with")
	flag.BoolVar(&o.spool, "spool", true, "with -gateway: it has a spool")
	plan := flag.Int("plan", 0, "print that many rounds of the plan and end")
	flag.Parse()
	s := newSchedule(o.seed)
	if *gateway {
		s = newGatewaySchedule(o.seed)
	}
	if *plan > 0 {
		printPlan(s, *plan)
		return true, nil
	}
	zerolog.SetGlobalLevel(zerolog.Disabled) // the proxies trace every stream
	temporary := o.dir == ""
	if temporary {
		o.dir, err = os.MkdirTemp("", "posthorn-chaos-")
	} else {
		err = os.MkdirAll(o.dir, 0o755)
	}
	if err != nil {
		return false, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := runWorkers
	if *gateway {
		run = runGateways
	}
	if *deliver {
		run = runDelivery
	}
	if ok, err = run(ctx, o); !ok || err != nil {
		fmt.Println("FAILED; logs are in", o.dir)
		return false, err
	}
	if temporary {
		return true, os.RemoveAll(o.dir)
	}
	return true, nil
}

func runWorkers(ctx context.Context, o options) (ok bool, err error) {
	res, err := execute(ctx, o, os.Stdout)
	if res == nil {
		return false, err
	}
	if o.report != "" {
		err = errors.Join(err, writeReport(o.report, o, res))
	}
	printEnd(res.crashes, res.err)
	res.printResults(os.Stdout)
	return !res.failed(o), err
}

func runGateways(ctx context.Context, o options) (ok bool, err error) {
	res, err := executeIngest(ctx, o, os.Stdout)
	if res == nil {
		return false, err
	}
	if o.report != "" {
		err = errors.Join(err, writeIngestReport(o.report, o, res))
	}
	printEnd(append(res.crashes, res.details()...), res.err)
	reportKinds(func(format string, args ...any) { fmt.Printf(format+"\n", args...) }, gatewayKinds, res.struck)
	fmt.Println("not acknowledged, and posted again:")
	res.printRefusals(os.Stdout)
	res.printResults(os.Stdout)
	return !res.failed(o), err
}

func printEnd(findings []string, err error) {
	for _, f := range findings {
		fmt.Println(f)
	}
	if err != nil {
		fmt.Println("the run:", err)
	}
}

func printPlan(s *schedule, rounds int) {
	for i := range rounds {
		fmt.Println("round", i+1)
		for _, f := range s.next() {
			fmt.Printf("  %s, %d ms into the round\n", f, f.After.Milliseconds())
		}
	}
}

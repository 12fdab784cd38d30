// Command posthorn takes the webhooks of e-mail providers, keeps them in Kafka,
// derives triggers and campaign statistics, and serves them from ClickHouse.
//
// It is one binary: up runs everything in one process, ingest, processor and
// analytics run one service each, the others look and mend. This package only
// wires; what a service does is in the package of its name.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// gcPercent lets the heap grow to three times of what is live before it is
// collected: most of what a webhook allocates lives for a commit interval, and
// the live heap is small next to the state and to what ClickHouse uses.
const gcPercent = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; from then on signals have their
	// default effect, so that the second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// errSilent ends with exit code 1 where all has been said already.
var errSilent = errors.New("")

// Run runs one command and returns its exit code.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot(&app{in: in, out: out, errOut: errOut})
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return 1
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 130
	}
	fmt.Fprintln(errOut, "posthorn:", err)
	return 1
}

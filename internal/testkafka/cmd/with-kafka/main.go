// The command with-kafka runs another command with a real Apache Kafka at hand:
//
//	with-kafka go test ./...
//
// The brokers' addresses are in the environment variable POSTHORN_TEST_BROKERS.
// Where that is set already, or Java is missing, the command just runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/posthorn/posthorn/internal/testkafka"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "with-kafka:", err)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	if len(args) == 0 {
		return 2, errors.New("usage: with-kafka COMMAND [ARGUMENT...]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv(testkafka.Env) == "" && testkafka.Available() {
		c, err := testkafka.StartCluster(ctx, testkafka.Options{})
		if err != nil {
			return 1, fmt.Errorf("starting Apache Kafka: %w", err)
		}
		defer c.Close()
		if err := os.Setenv(testkafka.Env, strings.Join(c.Brokers(), ",")); err != nil {
			return 1, err
		}
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(1, exit.ExitCode()), nil // -1: killed by a signal
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

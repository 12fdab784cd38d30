//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// callSecret signs the calls.
const callSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU"

// deliveryOrder is what a worker that delivers reads from its standard input.
type deliveryOrder struct {
	Name      string
	StateDir  string
	Brokers   []string
	Endpoints map[string]string // URLs by name
	Retry     []time.Duration
}

// runDeliveryWorker is a process with the stage delivery alone, wired as the
// product wires it. It works until it is told to stop or its standard input ends.
func runDeliveryWorker() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	in := json.NewDecoder(os.Stdin)
	var order deliveryOrder
	if err := in.Decode(&order); err != nil {
		return fmt.Errorf("reading orders: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("worker", order.Name)
	var w *stream.Worker
	cfg := delivery.Config{Serde: schemas.NewLocalSerde(), Retry: order.Retry, Logger: log, Wake: func() { w.Wake() }}
	for name, url := range order.Endpoints {
		cfg.Endpoints = append(cfg.Endpoints, delivery.Endpoint{Name: name, URL: url, Secrets: []string{callSecret}, AllowPrivate: true})
	}
	d, err := delivery.New(cfg)
	if err != nil {
		return err
	}
	defer d.Close()
	w, err = stream.NewWorker(stream.WorkerConfig{
		Stage: d.Stage(), Kafka: kafka.Config{Brokers: order.Brokers, ClientID: order.Name, Logger: log}, StateDir: order.StateDir, CacheBytes: 16 << 20,
		TransactionalID: transactionalID(delivery.StageName, order.Name), InstanceID: order.Name,
		SessionTimeout: sessionTimeout, TransactionTimeout: transactionTimeout, Logger: log,
	})
	if err != nil {
		return err
	}
	go func() {
		defer stop() // the harness is gone
		_, _ = io.Copy(io.Discard, in.Buffered())
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return w.Run(ctx)
}

// deliverer is such a process, and those before it.
type deliverer struct {
	*process
	order deliveryOrder
	stdin io.WriteCloser
}

func newDeliverer(dir string, order deliveryOrder) (*deliverer, error) {
	p, err := newProcess(dir, order.Name)
	if err != nil {
		return nil, err
	}
	order.StateDir = filepath.Join(dir, order.Name)
	d := &deliverer{process: p, order: order}
	p.command = func() (*exec.Cmd, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(self, "delivery-worker")
		d.stdin, err = cmd.StdinPipe()
		return cmd, err
	}
	p.started = func() error { return json.NewEncoder(d.stdin).Encode(d.order) }
	return d, nil
}

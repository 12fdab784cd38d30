//go:build linux

package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/errgroup"

	hold "github.com/posthorn/posthorn/internal/gateways"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

//go:embed rules.yaml
var rulesYAML []byte

// secret makes recipient ids; it protects nothing here.
const secret = "0123456789abcdef0123456789abcdef"

// Sessions and transactions time out soon, for more faults by the minute.
const (
	sessionTimeout     = 6 * time.Second
	transactionTimeout = 6 * time.Second
)

// workerOrder is what a worker process reads from its standard input, first
// of all.
type workerOrder struct {
	Name     string
	Protocol kafka.Protocol
	StateDir string
	Brokers  []string
	// Registry is the URL of the schema registry; empty: this build's schemas only.
	Registry string
	// Absences has it run the harness's own stage too.
	Absences bool
	// CommitInterval is the time between two transactions; 0: the default.
	CommitInterval time.Duration
	// Proxies are the addresses through which this worker reaches the brokers.
	Proxies map[string]string
	clockOrder
}

// clockOrder sets how far the worker's clock is off; a worker may be told again
// at any time.
type clockOrder struct{ ClockOff time.Duration }

// runWorker is a worker process: every stage of the pipeline, wired as the
// product wires them, and the harness's own. It works until it is told to stop
// or its standard input ends.
func runWorker() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	in := json.NewDecoder(os.Stdin)
	var order workerOrder
	if err := in.Decode(&order); err != nil {
		return fmt.Errorf("reading orders: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})).With("worker", order.Name)
	cluster := kafka.Config{Brokers: order.Brokers, ClientID: order.Name, Dial: order.dial, Logger: log}
	reader, err := normalize.NewKafkaReader(cluster)
	if err != nil {
		return err
	}
	defer reader.Close()
	rules, err := trigger.Parse("rules.yaml", rulesYAML)
	if err != nil {
		return err
	}
	serde, err := newSerde(ctx, order.Registry)
	if err != nil {
		return err
	}
	var off atomic.Int64
	off.Store(int64(order.ClockOff))
	// Without the monotonic reading, as after a jump.
	clock := func() time.Time { return time.Now().Add(time.Duration(off.Load())).Round(0) }
	group, ctx := errgroup.WithContext(ctx)
	spools := hold.NewFollower(cluster, log)
	group.Go(func() error { return spools.Run(ctx) })
	stages := []stream.Stage{
		normalize.Stage(normalize.Config{Serde: serde, Secret: normalize.OneSecret([]byte(secret)), Webhooks: reader, Hold: spools.Clear}),
		engagement.Stage(engagement.Config{Serde: serde, Rules: trigger.NewLive(rules)}),
		campaign.Stage(campaign.Config{Serde: serde, Rules: trigger.NewLive(rules)}),
	}
	if order.Absences {
		stages = append(stages, absenceStage(serde))
	}
	for _, stage := range stages {
		w, err := stream.NewWorker(stream.WorkerConfig{
			Stage: stage, Kafka: cluster, StateDir: order.StateDir, CacheBytes: 16 << 20,
			TransactionalID: transactionalID(stage.Name, order.Name), InstanceID: order.Name,
			CommitInterval: order.CommitInterval, Clock: clock, Protocol: order.Protocol, SessionTimeout: sessionTimeout, TransactionTimeout: transactionTimeout,
			Logger: log,
		})
		if err != nil {
			return err
		}
		group.Go(func() error { return w.Run(ctx) })
	}
	go func() {
		defer stop() // the harness is gone
		var o clockOrder
		for in.Decode(&o) == nil {
			off.Store(int64(o.ClockOff))
		}
	}()
	return group.Wait()
}

// newSerde registers the schemas, where there is a registry.
func newSerde(ctx context.Context, registry string) (*schemas.Serde, error) {
	if registry == "" {
		return schemas.NewLocalSerde(), nil
	}
	client, err := sr.NewClient(sr.URLs(registry))
	if err != nil {
		return nil, fmt.Errorf("making registry client: %w", err)
	}
	return schemas.Register(ctx, client)
}

func transactionalID(stage, worker string) string { return stage + "-" + worker }

func (o *workerOrder) dial(ctx context.Context, network, address string) (net.Conn, error) {
	proxy, ok := o.Proxies[address]
	if !ok {
		return nil, errors.New("no proxy for " + address)
	}
	return new(net.Dialer).DialContext(ctx, network, proxy)
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/campaign"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/processor/engagement"
	"github.com/posthorn/posthorn/processor/normalize"
	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

const normalizeName = "normalize"

const rules = `rules:
  - name: discount-24h
    within: {event: opened, of: send, duration: 24h}
    once_per: message
`

// runPipeline is the main of a child that runs the product's own stages.
func runPipeline(ctx context.Context, r run) error {
	file := filepath.Join(r.Dir, "rules.yaml")
	if err := os.WriteFile(file, []byte(rules), 0o644); err != nil {
		return err
	}
	set, err := trigger.Load(file)
	if err != nil {
		return err
	}
	serde := schemas.NewLocalSerde()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	stages := map[string]func() (stream.Stage, error){
		normalizeName: func() (stream.Stage, error) {
			return normalize.Stage(normalize.Config{Serde: serde, Secret: normalize.OneSecret([]byte(strings.Repeat("k", 32)))}), nil
		},
		engagement.Name: func() (stream.Stage, error) {
			return engagement.Stage(engagement.Config{Serde: serde, Rules: trigger.NewLive(set)}), nil
		},
		campaign.Name: func() (stream.Stage, error) {
			return campaign.Stage(campaign.Config{Serde: serde, Rules: trigger.NewLive(set)}), nil
		},
		delivery.StageName: func() (stream.Stage, error) {
			d, err := delivery.New(delivery.Config{Serde: serde, Logger: log})
			if err != nil {
				return stream.Stage{}, err
			}
			context.AfterFunc(ctx, d.Close)
			return d.Stage(), nil
		},
	}
	var g errgroup.Group
	for _, name := range r.Stages {
		if stages[name] == nil {
			return fmt.Errorf("no stage %q", name)
		}
		stage, err := stages[name]()
		if err != nil {
			return err
		}
		w, err := stream.NewWorker(stream.WorkerConfig{
			Stage: stage, Kafka: kafka.Config{Brokers: []string{r.Brokers}}, StateDir: r.Dir, CommitInterval: r.Commit,
			TransactionalID: name, InstanceID: name, Logger: log,
		})
		if err != nil {
			return err
		}
		g.Go(func() error { return w.Run(ctx) })
	}
	return g.Wait()
}

// startPipeline starts a child with some of the product's stages.
func (b *broker) startPipeline(ctx context.Context, o options, dir string, stages ...string) (*process, error) {
	r := run{Brokers: b.addr, Dir: filepath.Join(o.dir, dir), Commit: o.commit, Stages: stages}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return nil, err
	}
	cmd, err := posthorn().command(ctx, r)
	if err != nil {
		return nil, err
	}
	return launch(cmd, r.Dir)
}

package main

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/schemas"
)

// sink adds what writes the topics of the live generation into ClickHouse.
func (n *node) sink(to *actors, conn driver.Conn) {
	instance := n.cfg.Processor.Instance
	if instance != "" {
		instance = "posthorn-sink-" + instance
	}
	starting(n.health, "sink")
	to.add("sink", func(ctx context.Context) error {
		return n.follow(ctx, func(ctx context.Context, to *actors, live generation.Live, reg prometheus.Registerer) error {
			shards, err := layout(n.cfg).OpenShards(ctx, n.cfg.ClickHouse.DSN)
			if err != nil {
				return err
			}
			defer closeAll(shards)
			s, err := analytics.NewSink(analytics.SinkConfig{
				Kafka: n.kafka, Serde: n.serde, Conn: conn, Shards: shards, InstanceID: instance, Generation: live.Generation,
				Logger: n.log, Registerer: reg,
			})
			if err != nil {
				return err
			}
			to.add("sink", func(ctx context.Context) error {
				if err := n.expose(ctx, conn, live.Generation); err != nil {
					return err
				}
				n.board.sinkStatus(s.Status)
				n.health.Register("sink", func() (bool, string) {
					if err := s.Ready(); err != nil {
						return false, err.Error()
					}
					return true, ""
				})
				return s.Run(ctx)
			})
			return to.run()
		})
	})
}

// closeAll closes the connections to shards.
func closeAll(shards []driver.Conn) {
	for _, conn := range shards {
		_ = conn.Close()
	}
}

// expose makes the tables' names stand for the live generation. The database may
// be away when it goes live: that is waited for.
func (n *node) expose(ctx context.Context, conn driver.Conn, g schemas.Generation) error {
	for {
		err := analytics.Expose(ctx, conn, g)
		if err == nil {
			return nil
		}
		n.log.Error("the tables do not stand for the live generation yet, trying again", "error", err)
		n.health.Register("sink", func() (bool, string) { return false, err.Error() })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

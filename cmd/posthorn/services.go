package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
)

// service makes the command of one service that runs alone.
func (a *app) service(use, short, long, example string, flags []string, needs []config.Need, wire func(ctx context.Context, n *node, to *actors) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, append(needs, config.NeedKafka)...)
			if err != nil {
				return err
			}
			log, err := a.logger(cfg)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			n, err := newNode(ctx, cfg, log)
			if err != nil {
				return err
			}
			to := newActors(ctx, log)
			to.atEnd("readiness", func() error { n.health.Drain(); return nil })
			if err := wire(ctx, n, to); err != nil {
				return err
			}
			if err := n.metrics(ctx, to); err != nil {
				return err
			}
			log.Info("running", "service", use, "version", version(), "metrics", cfg.Metrics.Listen)
			return to.run()
		},
	}
	config.AddFlags(cmd.Flags(), append(flags, "brokers", "registry", "tenant", "data", "metrics", "log-level", "log-format")...)
	return cmd
}

func (a *app) ingestCommand() *cobra.Command {
	return a.service("ingest", "Run the gateway alone: webhooks into Kafka",
		`Takes webhooks at /v1/webhooks/SOURCE and answers 200 once Kafka has them. The
topics must exist: posthorn topics create.`,
		`  posthorn ingest --config posthorn.yaml --listen 0.0.0.0:8080`,
		[]string{"listen"}, []config.Need{config.NeedSources},
		func(ctx context.Context, n *node, to *actors) error {
			listener, err := listen(ctx, "gateway.listen", n.cfg.Gateway.Listen)
			if err != nil {
				return err
			}
			return n.gateway(to, listener, false)
		})
}

func (a *app) processorCommand() *cobra.Command {
	return a.service("processor", "Run the stages alone: facts, statistics, triggers, callbacks",
		`Runs the stages, or those of --stages. Several of these share the work. Give each
an --instance name of its own that stays the same over restarts, and a volume
for its state.`,
		`  posthorn processor --config posthorn.yaml --instance posthorn-0
  posthorn processor --stages delivery`,
		[]string{"stages", "instance", "rules"}, []config.Need{config.NeedRecipientSecret},
		func(ctx context.Context, n *node, to *actors) error {
			if err := n.processor(to); err != nil {
				return err
			}
			return n.followGenerations(ctx, to)
		})
}

func (a *app) analyticsCommand() *cobra.Command {
	return a.service("analytics", "Run the sink and the API alone: from Kafka into ClickHouse",
		`Writes the public topics into ClickHouse, each record exactly once, and serves
statistics over HTTP. It refuses to start on pending migrations: posthorn
migrate.`,
		`  posthorn analytics --clickhouse clickhouse://default:secret@clickhouse:9000/posthorn --api 0.0.0.0:8090`,
		[]string{"clickhouse", "api", "instance"}, []config.Need{config.NeedClickHouse},
		func(ctx context.Context, n *node, to *actors) error {
			conn, err := layout(n.cfg).Open(ctx, n.cfg.ClickHouse.DSN)
			if err != nil {
				return err
			}
			pending, err := analytics.Pending(ctx, conn)
			if err != nil {
				return err
			}
			if len(pending) > 0 {
				return fmt.Errorf("%d migrations are pending: run posthorn migrate", len(pending))
			}
			listener, err := listen(ctx, "api.listen", n.cfg.API.Listen)
			if err != nil {
				return err
			}
			n.sink(to, conn)
			n.api(to, listener, conn)
			if err := n.followGenerations(ctx, to); err != nil {
				return err
			}
			to.atEnd("clickhouse connection", conn.Close)
			return nil
		})
}

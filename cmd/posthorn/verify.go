package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/verify"
	"github.com/posthorn/posthorn/schemas"
)

type verifyOptions struct {
	timeout time.Duration
	dir     string
	quiet   bool
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use: "verify", Short: "Recompute everything from the webhooks and compare", Args: cobra.NoArgs,
		Long: `Takes a cut of posthorn.webhooks, waits until every stage has passed it,
recomputes events, messages, statistics, breakdowns, recipients, triggers, suppressions and
rejections with code of its own, and compares; with ClickHouse, also its tables with the
topics, or with the webhooks where deltas were deleted by retention. It runs
beside live traffic: what later webhooks have touched is skipped and counted.
The exit code is 1 if anything differs.`,
		Example: `  posthorn verify
  posthorn verify --brokers kafka:9092 --registry http://registry:8081 --rules rules/*.yaml --timeout 10m`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, config.NeedKafka, config.NeedRecipientSecret)
			if err != nil {
				return err
			}
			return a.verify(cmd.Context(), cfg, o)
		},
	}
	config.AddFlags(cmd.Flags(), "brokers", "registry", "clickhouse", "rules", "data")
	cmd.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "how long to wait for the stages")
	cmd.Flags().StringVar(&o.dir, "dir", "", "folder for temporary files")
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	return cmd
}

func (a *app) verify(ctx context.Context, cfg *config.Config, o verifyOptions) error {
	report, err := a.report(ctx, cfg, o)
	if err != nil {
		return err
	}
	report.Print(a.out)
	if report.Differences() > 0 {
		return errSilent
	}
	return nil
}

// report verifies and returns what was found.
func (a *app) report(ctx context.Context, cfg *config.Config, o verifyOptions) (*verify.Report, error) {
	log, err := a.logger(cfg)
	if err != nil {
		return nil, err
	}
	serde, err := register(ctx, cfg)
	if err != nil {
		return nil, err
	}
	vc, closeConn, err := a.verifyConfig(ctx, cfg, serde, log, o)
	if err != nil {
		return nil, err
	}
	defer closeConn()
	live, err := generation.Read(ctx, vc.Kafka)
	if err != nil {
		return nil, err
	}
	vc.Generation = live.Generation
	report, err := verify.Run(ctx, vc)
	if err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	return report, nil
}

// verifyConfig gathers what everything derived can be recomputed with, and opens
// the database, where there is one.
func (a *app) verifyConfig(ctx context.Context, cfg *config.Config, serde *schemas.Serde, log *slog.Logger, o verifyOptions) (vc verify.Config, closeConn func(), err error) {
	vc = verify.Config{
		Kafka: kafkaConfig(cfg, log), Serde: serde, Timeout: o.timeout, Dir: o.dir,
		Horizon: cfg.Processor.MessageHorizon, Retention: cfg.Processor.WindowRetention,
	}
	if vc.Secret, vc.Rules, err = secretAndRules(cfg); err != nil {
		return vc, nil, err
	}
	if !o.quiet {
		vc.Progress = a.phases()
	}
	vc.ClickHouse, closeConn, err = openConn(ctx, cfg)
	return vc, closeConn, err
}

// openConn connects to the database; without a DSN there is none.
func openConn(ctx context.Context, cfg *config.Config) (driver.Conn, func(), error) {
	if cfg.ClickHouse.DSN == "" {
		return nil, func() {}, nil
	}
	conn, err := layout(cfg).Open(ctx, cfg.ClickHouse.DSN)
	if err != nil {
		return nil, nil, err
	}
	return conn, func() { _ = conn.Close() }, nil
}

// phases shows one progress bar after another.
func (a *app) phases() func(phase string, done, total int64) {
	var bar *progressbar.ProgressBar
	current := ""
	return func(phase string, done, total int64) {
		if phase != current {
			bar = a.bar(total, phase)
			current = phase
		}
		bar.ChangeMax64(total) // live traffic adds to it
		_ = bar.Set64(min(done, total))
	}
}

func (a *app) bar(total int64, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(a.errOut), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/verify"
	"github.com/posthorn/posthorn/processor/trigger"
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
recomputes events, messages, statistics, triggers and rejections with code of
its own, and compares; with ClickHouse, also its tables with the topics. It runs
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
	secret, err := cfg.RecipientSecret.Value()
	if err != nil {
		return nil, fmt.Errorf("recipient_secret: %w", err)
	}
	rules, err := trigger.Load(cfg.Rules...)
	if err != nil {
		return nil, err
	}
	serde, err := register(ctx, cfg)
	if err != nil {
		return nil, err
	}
	vc := verify.Config{
		Kafka: kafkaConfig(cfg, log), Serde: serde, Secret: []byte(secret), Rules: rules,
		Timeout: o.timeout, Dir: o.dir,
	}
	if cfg.ClickHouse.DSN != "" {
		conn, err := analytics.Open(ctx, cfg.ClickHouse.DSN)
		if err != nil {
			return nil, err
		}
		defer func() { _ = conn.Close() }()
		vc.ClickHouse = conn
	}
	if !o.quiet {
		vc.Progress = a.phases()
	}
	report, err := verify.Run(ctx, vc)
	if err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	return report, nil
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
		_ = bar.Set64(min(done, total))
	}
}

func (a *app) bar(total int64, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(a.errOut), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false))
}

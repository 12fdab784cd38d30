package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/backtest"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

type backtestOptions struct {
	since, until string
	rule         string
	json, quiet  bool
	csv, dir     string
}

func (a *app) rulesBacktestCommand() *cobra.Command {
	var o backtestOptions
	cmd := &cobra.Command{
		Use: "backtest", Short: "Run rules over the events in the log, without acting", Args: cobra.NoArgs,
		Long: `Tells what rules would have fired for what has arrived since then, and compares
with what rules of these names have fired. Nobody is called and nothing is
written. The rules are those of the configuration, or of the files that
--rules names; the stages that judge them are those that run live.

It reads posthorn.events of the live generation, from as long before --since as
the rules look back, and says what it can't know. Events are spilled to disk, so
that memory is bounded.`,
		Example: `  posthorn rules backtest --since 7d
  posthorn rules backtest --since 2026-03-01T00:00:00Z --until 24h --rules draft.yaml --rule discount-24h
  posthorn rules backtest --since 30d --rules draft.yaml --csv who.csv --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, config.NeedKafka)
			if err != nil {
				return err
			}
			return a.backtest(cmd.Context(), cfg, o)
		},
	}
	config.AddFlags(cmd.Flags(), "brokers", "registry", "rules", "data")
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "7d", "from when on: so long ago, as 12h or 7d, or an instant as 2026-03-01T00:00:00Z")
	f.StringVar(&o.until, "until", "0", "until when, as --since; what arrives then is not in it")
	f.StringVar(&o.rule, "rule", "", "report this rule alone")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.csv, "csv", "", "write what would have fired, and for whom, to this file")
	f.StringVar(&o.dir, "dir", "", "folder for temporary files")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	return cmd
}

func (a *app) backtest(ctx context.Context, cfg *config.Config, o backtestOptions) (err error) {
	log, err := a.logger(cfg)
	if err != nil {
		return err
	}
	c := backtest.Config{
		Kafka: kafkaConfig(cfg, log), Only: o.rule, Dir: o.dir,
		Horizon: cfg.Processor.MessageHorizon, Retention: cfg.Processor.WindowRetention,
	}
	now := time.Now()
	if c.Since, err = instant("--since", o.since, now); err != nil {
		return err
	}
	if c.Until, err = instant("--until", o.until, now); err != nil {
		return err
	}
	if c.Since >= c.Until {
		return fmt.Errorf("--since %s is not before --until %s: there is nothing between them", o.since, o.until)
	}
	if c.Rules, err = trigger.Load(cfg.Rules...); err != nil {
		return err
	}
	if err := chooseRule(c.Rules, o.rule); err != nil {
		return err
	}
	if c.Serde, err = register(ctx, cfg); err != nil {
		return err
	}
	live, err := generation.Read(ctx, c.Kafka)
	if err != nil {
		return err
	}
	c.Generation = live.Generation
	if !o.quiet {
		c.Progress = a.phases()
	}
	if o.csv != "" {
		f, err := os.Create(o.csv)
		if err != nil {
			return fmt.Errorf("--csv: %w", err)
		}
		list, err := backtest.NewCSV(f)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		c.Fired = list.Add
		defer func() { err = errors.Join(err, list.Flush(), f.Close()) }()
	}
	report, err := backtest.Run(ctx, c)
	if err != nil {
		return fmt.Errorf("running rules over the log: %w", err)
	}
	return a.printBacktest(report, o)
}

func (a *app) printBacktest(report *backtest.Report, o backtestOptions) error {
	if !o.json {
		report.Print(a.out)
		return nil
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		*backtest.Report
		NotKnown []string `json:"not_known"`
	}{report, report.Notes()})
}

func chooseRule(set *trigger.Set, name string) error {
	if len(set.Rules()) == 0 {
		return errors.New("there are no rules; name their files with --rules, or in the configuration")
	}
	if name == "" || set.Rule(name) != nil {
		return nil
	}
	var names []string
	for _, r := range set.Rules() {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return fmt.Errorf("--rule: there is no rule %q; the rules are %s", name, strings.Join(names, ", "))
}

// instant reads a time of a flag: so long ago, or an instant.
func instant(flag, text string, now time.Time) (schemas.Timestamp, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return schemas.FromTime(at), nil
	}
	ago, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		ago = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || ago < 0 {
		return 0, fmt.Errorf("%s: %q is no time; write so long ago, as 12h or 7d, or an instant as 2026-03-01T00:00:00Z", flag, text)
	}
	return schemas.FromTime(now.Add(-ago)), nil
}

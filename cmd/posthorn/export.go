package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/export"
	"github.com/posthorn/posthorn/internal/generation"
)

type exportOptions struct {
	since, until, campaign string
	format, out            string
	columns                []string
	resume, quiet          bool
}

func (a *app) exportCommand() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use: "export TABLE", Short: "Write events, messages, statistics and more to files", Args: cobra.ExactArgs(1),
		ValidArgs: export.Tables(),
		Long: `Writes ` + strings.Join(export.Tables(), ", ") + `
to files: CSV, NDJSON and Parquet from ClickHouse, asked over HTTP, and Avro object
container files from Kafka. --since and --until go by when events came, callbacks
were tried and rules fired; by the last event of messages; and by the last change
of suppressions and statistics.

The file is FILE.part until it is whole. An export that was broken off goes on where
it was when the same command is given again; --resume=false begins anew. Parquet is
a file for each 100,000 rows or so in a folder.`,
		Example: `  posthorn export events --since 7d --format csv --out events.csv
  posthorn export events --since 2026-01-01 --until 2026-02-01 --format parquet --out january/
  posthorn export messages --campaign 4711 --format ndjson --out - | jq .outcome
  posthorn export events --format avro --out events.avro`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.export(args[0], time.Now())
			if err != nil {
				return err
			}
			return a.export(cmd, c, o)
		},
	}
	config.AddFlags(cmd.Flags(), "tenant", "clickhouse", "brokers", "registry", "data")
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "since a time, or for how long: 2026-01-31T15:04:05Z, 2026-01-31, 1h, 7d")
	f.StringVar(&o.until, "until", "", "before a time, likewise (default: now)")
	f.StringVar(&o.campaign, "campaign", "", "only this campaign")
	f.StringVar(&o.format, "format", export.CSV, strings.Join(export.Formats(), ", "))
	f.StringVarP(&o.out, "out", "o", "-", "a file, a folder, or - for standard output")
	f.StringSliceVar(&o.columns, "columns", nil, "only these columns; not with avro")
	f.BoolVar(&o.resume, "resume", true, "go on where an export was broken off")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	return cmd
}

// export reads the options.
func (o *exportOptions) export(table string, now time.Time) (c export.Config, err error) {
	c = export.Config{
		Table: table, Format: o.format, Out: o.out, Campaign: o.campaign, Columns: o.columns,
		Restart: !o.resume, Asked: o.since + " to " + o.until,
	}
	if c.Since, err = parseMoment(o.since, now); err != nil {
		return c, fmt.Errorf("--since: %w", err)
	}
	if c.Until, err = parseMoment(o.until, now); err != nil {
		return c, fmt.Errorf("--until: %w", err)
	}
	if c.Until.IsZero() {
		c.Until = now
	}
	return c, c.Check()
}

func (a *app) export(cmd *cobra.Command, c export.Config, o exportOptions) error {
	need := config.NeedClickHouse
	if c.Format == export.Avro {
		need = config.NeedKafka
	}
	cfg, err := a.load(cmd, need)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	c.Stdout, c.Tenant, c.DSN = a.out, cfg.Tenant, cfg.ClickHouse.DSN
	if c.Format == export.Avro {
		if err := a.exportTopic(ctx, cfg, &c); err != nil {
			return err
		}
	}
	if !o.quiet {
		c.Progress = a.exportProgress(c.Table)
	}
	c.Waiting = func(err error, wait time.Duration) {
		fmt.Fprintf(a.errOut, "\r\033[K%v\nTrying again in %s\n", err, wait.Round(100*time.Millisecond))
	}
	start := time.Now()
	r, err := export.Run(ctx, c)
	a.exported(c, r, time.Since(start), err)
	return err
}

// exportTopic adds what is needed to read topics.
func (a *app) exportTopic(ctx context.Context, cfg *config.Config, c *export.Config) error {
	log, err := a.logger(cfg)
	if err != nil {
		return err
	}
	if c.Serde, err = register(ctx, cfg); err != nil {
		return err
	}
	c.Kafka = kafkaConfig(cfg, log)
	live, err := generation.Read(ctx, c.Kafka)
	c.Generation = live.Generation
	return err
}

// exported says what was written; not on standard output, where rows may be.
func (a *app) exported(c export.Config, r export.Result, took time.Duration, err error) {
	if err != nil {
		if r.Rows > 0 && c.Out != "-" {
			fmt.Fprintf(a.errOut, "%d rows are written and kept. To go on from there, run the same command again.\n", r.Rows)
		}
		return
	}
	fmt.Fprintf(a.errOut, "%d rows exported in %s", r.Rows, took.Round(time.Millisecond))
	if r.Resumed > 0 {
		fmt.Fprintf(a.errOut, ", %d of them by an export before this one", r.Resumed)
	}
	switch len(r.Files) {
	case 0:
	case 1:
		fmt.Fprintf(a.errOut, ": %s", r.Files[0])
	default:
		fmt.Fprintf(a.errOut, ": %s and %d more", r.Files[0], len(r.Files)-1)
	}
	fmt.Fprintln(a.errOut)
}

func (a *app) exportProgress(what string) func(done, total int64) {
	var bar *progressbar.ProgressBar
	return func(done, total int64) {
		if bar == nil {
			bar = a.bar(total, "exporting "+what)
		}
		bar.ChangeMax64(total)
		_ = bar.Set64(done)
	}
}

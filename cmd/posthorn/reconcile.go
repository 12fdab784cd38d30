package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/reconcile"
)

// reconcileOpenTimeout bounds the wait for a database that does not answer.
const reconcileOpenTimeout = 30 * time.Second

// maxReconciled is the longest period: as long as the table of events keeps them.
const maxReconciled = 400 * 24 * time.Hour

type reconcileOptions struct {
	source, since, until  string
	tolerance             int64
	json, onlyDiff, quiet bool
	api                   connectOptions // how Mailjet's API is asked
}

func (a *app) reconcileCommand() *cobra.Command {
	var o reconcileOptions
	cmd := &cobra.Command{
		Use: "reconcile --source NAME", Short: "Compare the statistics with Mailjet's own", Args: cobra.NoArgs,
		Long: reconcileHelp(),
		Example: `  MJ_APIKEY_PUBLIC=... MJ_APIKEY_PRIVATE=... posthorn reconcile --source shop --since 7d
  posthorn reconcile --source shop --since 2026-11-01 --until 2026-11-08 --api-key file:mj.public --api-secret file:mj.private --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.source == "" {
				return errors.New("--source: is missing: write the name of a source of Mailjet (posthorn source list)")
			}
			cfg, s, err := a.readSource(cmd, o.source)
			if err != nil {
				return fmt.Errorf("--source: %w", err)
			}
			return a.reconcile(cmd.Context(), cfg, s, o)
		},
	}
	config.AddFlags(cmd.Flags(), "clickhouse", "data")
	f := cmd.Flags()
	f.StringVar(&o.source, "source", "", "source of Mailjet whose account is compared")
	f.StringVar(&o.since, "since", "7d", "from when on: so long ago (12h, 7d), a time or a day; taken down to the hour")
	f.StringVar(&o.until, "until", "", "until when, as --since (default: the start of this hour)")
	f.Int64Var(&o.tolerance, "tolerance", 0, "the largest difference of one counter that is none")
	f.BoolVar(&o.json, "json", false, "print the whole report as JSON")
	f.BoolVar(&o.onlyDiff, "only-differences", false, "print no counters that agree")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	o.api.keyFlags(f)
	return cmd
}

// reconcileHelp explains what is compared with what, from the table that the
// comparison itself goes by.
func reconcileHelp() string {
	var b strings.Builder
	b.WriteString(`Reads what Mailjet counts for the account of a source (GET /v3/REST/statcounters)
and compares it with campaign_statistics: for each campaign that had events here
since then, or that Mailjet sent since then, the counters over its lifetime, all
at the send of their message. It also compares the events of each hour with
those that Mailjet counts for the whole API key, and for each campaign that
differs, and names the hours whose webhooks are missing. The exit code is 1 if
anything differs.

Ours, and Mailjet's:
`)
	for _, c := range reconcile.Counters() {
		at := ""
		if c.Hourly {
			at = "  (by hour too)"
		}
		fmt.Fprintf(&b, "  %-24s %s%s\n", c.Name, c.Mailjet, at)
	}
	b.WriteString("\nThese can differ without a webhook missing:\n")
	for _, c := range reconcile.Counters() {
		if c.Why != "" {
			more := ""
			if c.AtLeast {
				more = "; ours may be more"
			}
			fmt.Fprintf(&b, "  %s: %s%s\n", c.Name, c.Why, more)
		}
	}
	b.WriteString(`
Not compared: queued and MessageWorkFlowExitedCount, of which Mailjet sends no
events; EventOpenDelay and EventClickDelay, sums from times that it does not send.

A campaign whose sending began before the source was connected lacks what
happened before. One that is under way differs by what happens between the two
readings. Which time dates a message's state at Mailjet is not documented: of
delivered, rejected and hard_bounced, what an hour lacks and the next or last one
has too many is no difference. It takes about one request a campaign, and for
each that differs one more for every 100 hours.`)
	return b.String()
}

func (a *app) reconcile(ctx context.Context, cfg *config.Config, s config.Source, o reconcileOptions) error {
	if s.Provider != "mailjet" {
		return fmt.Errorf("--source %s: is of %s: only Mailjet's statistics can be asked for; name a source of Mailjet", s.Name, s.Provider)
	}
	c, err := o.period(time.Now())
	if err != nil {
		return err
	}
	client, err := o.api.client()
	if err != nil {
		return err
	}
	if err := cfg.Validate(config.NeedClickHouse); err != nil {
		return err
	}
	opening, cancel := context.WithTimeout(ctx, reconcileOpenTimeout)
	defer cancel()
	conn, closeConn, err := openConn(opening, cfg)
	if err != nil {
		return err
	}
	defer closeConn()
	c.Ours, c.Theirs = &analytics.Account{Conn: conn, Tenant: cfg.Tenant, Name: s.Account}, client
	if !o.quiet {
		c.Progress = a.phases()
	}
	report, err := reconcile.Run(ctx, c)
	if err != nil {
		return fmt.Errorf("comparing with Mailjet: %w", err)
	}
	report.Source = s.Name
	if err := a.showReconciled(report, o); err != nil {
		return err
	}
	if report.Differences() > 0 {
		return errSilent
	}
	return nil
}

func (a *app) showReconciled(r *reconcile.Report, o reconcileOptions) error {
	if !o.json {
		return r.Print(a.out, o.onlyDiff)
	}
	return a.printJSON(struct {
		*reconcile.Report
		Differences int `json:"differences"`
	}{r, r.Differences()})
}

// period reads the flags that say what is compared.
func (o *reconcileOptions) period(now time.Time) (reconcile.Config, error) {
	c := reconcile.Config{Tolerance: o.tolerance, To: now.UTC().Truncate(time.Hour)}
	since, err := parseMoment(o.since, now)
	if err != nil {
		return c, fmt.Errorf("--since: %w", err)
	}
	c.From = since.UTC().Truncate(time.Hour)
	if o.until != "" {
		until, err := parseMoment(o.until, now)
		if err != nil {
			return c, fmt.Errorf("--until: %w", err)
		}
		c.To = until.UTC().Truncate(time.Hour)
	}
	switch {
	case o.since == "":
		return c, errors.New("--since: is empty: write such as 7d")
	case o.tolerance < 0:
		return c, fmt.Errorf("--tolerance: %d is less than 0: write how much a counter may differ, such as 0 or 5", o.tolerance)
	case !c.From.Before(c.To):
		return c, fmt.Errorf("--since %s is not a whole hour before --until: there is no hour between them", o.since)
	case c.To.Sub(c.From) > maxReconciled:
		return c, fmt.Errorf("--since %s is more than %d days before --until, for which events are kept: write a later one", o.since, maxReconciled/(24*time.Hour))
	}
	return c, nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/terminal"
)

// statistic is a command that asks the HTTP API one thing and shows the answer.
type statistic struct {
	use, short, example string
	path                string
	flags               map[string]string // name of a parameter -> what it is
	answer              func() any
	print               func(io.Writer, any) error
}

// Flags that several statistics have.
var (
	sentFlags = map[string]string{
		"campaigns": "ids, separated by commas; all without it",
		"since":     "messages sent from that day of UTC on", "until": "messages sent before that day of UTC",
	}
	windowFlags = map[string]string{
		"campaigns": "ids, separated by commas; all without it", "scope": "tenant, account, source or list", "id": "the account, source or list",
		"basis": "event (each count at its event) or send (all at the send)", "tz": "time zone, such as Europe/Berlin; the tenant's without it",
		"since": "from when on: RFC 3339 or a day", "until": "until before when",
	}
)

func with(flags map[string]string, more ...string) map[string]string {
	all := maps.Clone(flags)
	for i := 0; i+1 < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// shown makes a statistic whose answer is a T, which print shows.
func shown[T any](print func(io.Writer, T) error, s statistic) statistic {
	s.answer = func() any { return new(T) }
	s.print = func(w io.Writer, answer any) error { return print(w, *answer.(*T)) }
	return s
}

func statistics() []statistic {
	return []statistic{
		shown(terminal.PrintBreakdown, statistic{use: "breakdown", short: "What counts are made of: links, countries, clients, mailbox providers, reasons", path: "/v1/breakdown",
			example: "  posthorn stats breakdown --by provider --since 2026-11-01\n  posthorn stats breakdown --by link --campaigns 7340112 --limit 50",
			flags: with(sentFlags, "by", "link, country, client, os, device, machine, domain, provider or reason", "order", "counter of which the greatest come first, or value",
				"limit", "at most so many values")}),
		shown(terminal.PrintBounces, statistic{use: "bounces", short: "Why messages were not delivered, by mailbox provider", path: "/v1/bounces",
			flags: with(sentFlags, "limit", "at most so many providers")}),
		shown(terminal.PrintDeliverability, statistic{use: "deliverability", short: "How mailbox providers take messages, over time", path: "/v1/deliverability",
			flags: with(sentFlags, "by", "provider or domain", "resolution", "day or week", "limit", "at most so many providers")}),
		shown(terminal.PrintHygiene, statistic{use: "hygiene", short: "Recipients who never react, and domains that take nothing", path: "/v1/hygiene",
			flags: map[string]string{"min_messages": "delivered messages after which silence says something", "inactive_days": "days of silence",
				"min_domain_recipients": "recipients that a dead domain has at least", "limit": "at most so many domains"}}),
		shown(terminal.PrintDelays, statistic{use: "delays", short: "How long it takes until people open and click", path: "/v1/delays", flags: sentFlags}),
		shown(terminal.PrintFunnel, statistic{use: "funnel", short: "From delivered to opened to clicked", path: "/v1/funnel", flags: sentFlags}),
		shown(terminal.PrintHeatMap, statistic{use: "heatmap", short: "By hour of the week", path: "/v1/heatmap", flags: windowFlags,
			example: "  posthorn stats heatmap --basis send --tz Europe/Paris --since 2026-09-01"}),
		shown(terminal.PrintCohorts, statistic{use: "cohorts", short: "How engagement fades after the send", path: "/v1/cohorts", flags: with(sentFlags, "by", "day, week or month")}),
		shown(terminal.PrintComparison, statistic{use: "compare", short: "Campaigns beside each other, with confidence intervals and tests", path: "/v1/compare",
			example: "  posthorn stats compare --campaigns 7340112,7340113",
			flags:   map[string]string{"campaigns": "two to six ids, separated by commas", "metric": "rates to compare, separated by commas; all without it"}}),
		shown(terminal.PrintAnomalies, statistic{use: "anomalies", short: "Days or hours whose rates are out of line", path: "/v1/anomalies",
			flags: with(windowFlags, "metric", "rate to judge", "resolution", "day or hour")}),
	}
}

func (a *app) statsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "stats", Short: "Statistics: breakdowns, bounces, delays, funnels, heat maps, cohorts, comparisons, anomalies"}
	for _, s := range statistics() {
		cmd.AddCommand(a.statisticCommand(s))
	}
	return cmd
}

func (a *app) statisticCommand(s statistic) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: s.use, Short: s.short, Args: cobra.NoArgs, Example: s.example,
		Long: s.short + ". Asks the HTTP API (" + s.path + ").\nWhat each number is: /docs/statistics there, or analytics/statistics.md.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			values := url.Values{}
			cmd.Flags().Visit(func(f *pflag.Flag) {
				if name := strings.ReplaceAll(f.Name, "-", "_"); s.flags[name] != "" {
					values.Set(name, f.Value.String())
				}
			})
			if format != "" {
				return a.copyAnswer(cmd.Context(), cfg, s.path, format, values)
			}
			answer := s.answer()
			if err := ask(cmd.Context(), cfg, s.path, values, answer); err != nil {
				return err
			}
			return s.print(a.out, answer)
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	for _, name := range slices.Sorted(maps.Keys(s.flags)) {
		cmd.Flags().String(strings.ReplaceAll(name, "_", "-"), "", s.flags[name])
	}
	cmd.Flags().StringVar(&format, "format", "", "instead of a table: json, csv, ndjson, parquet or arrow")
	return cmd
}

// copyAnswer writes an answer of the HTTP API as it is.
func (a *app) copyAnswer(ctx context.Context, cfg *config.Config, path, format string, values url.Values) error {
	values.Set("format", format)
	return callAPI(ctx, cfg, "GET", path+"?"+values.Encode(), nil, func(r io.Reader) error {
		if _, err := io.Copy(a.out, r); err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
		return nil
	})
}

// printBreakdown asks for a breakdown of one campaign; from and to are what that
// command calls the period.
func (a *app) printBreakdown(ctx context.Context, cfg *config.Config, path, by string, values url.Values) error {
	for _, other := range []string{"basis", "tz"} {
		if values.Has(other) {
			return fmt.Errorf("--%s is for a course over time: a breakdown by %s has none", other, by)
		}
	}
	values.Set("by", by)
	renamed(values, "from", "since", nil)
	renamed(values, "to", "until", nil)
	var b analytics.Breakdown
	if err := ask(ctx, cfg, path, values, &b); err != nil {
		return err
	}
	return terminal.PrintBreakdown(a.out, b)
}

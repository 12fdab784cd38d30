package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/terminal"
)

func (a *app) breakdownCommand() *cobra.Command {
	var by, order string
	var campaigns []string
	var limit int
	var since, until string
	cmd := &cobra.Command{
		Use: "breakdown", Short: "Print what counts are made of: links, countries, clients, mailbox providers, reasons", Args: cobra.NoArgs,
		Long: `Asks the HTTP API what the counts of all campaigns, or of some, are made of.
The period is of the send, in days of UTC.`,
		Example: `  posthorn breakdown --by provider --since 2026-11-01
  posthorn breakdown --by link --campaigns 7340112,7340113 --limit 50
  posthorn breakdown --by country --order human_clicks`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			values := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, value := range map[string]string{"order": order, "since": since, "until": until, "campaigns": strings.Join(campaigns, ",")} {
				if value != "" {
					values.Set(name, value)
				}
			}
			return a.printBreakdown(cmd.Context(), cfg, "/v1/breakdown", by, values)
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	cmd.Flags().StringVar(&by, "by", "provider", "link, country, client, os, device, machine, domain, provider or reason")
	cmd.Flags().StringVar(&order, "order", "", "counter of which the greatest come first, or value")
	cmd.Flags().StringSliceVar(&campaigns, "campaigns", nil, "ids; all without it")
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many values")
	cmd.Flags().StringVar(&since, "since", "", "messages sent from that day on")
	cmd.Flags().StringVar(&until, "until", "", "messages sent before that day")
	return cmd
}

// printBreakdown asks for a breakdown; from and to are what campaign calls the
// period.
func (a *app) printBreakdown(ctx context.Context, cfg *config.Config, path, by string, values url.Values) error {
	values.Set("by", by)
	renamed(values, "from", "since", nil)
	renamed(values, "to", "until", nil)
	for _, other := range []string{"basis", "tz"} {
		if values.Has(other) {
			return fmt.Errorf("--%s is for a course over time: a breakdown by %s has none", other, by)
		}
	}
	var b analytics.Breakdown
	if err := ask(ctx, cfg, path, values, &b); err != nil {
		return err
	}
	return terminal.PrintBreakdown(a.out, b)
}

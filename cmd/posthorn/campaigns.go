package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/terminal"
)

func (a *app) campaignsCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "campaigns", Short: "Print the campaigns and their rates", Args: cobra.NoArgs,
		Long:    `Asks the HTTP API for the campaigns, those with the latest events first.`,
		Example: "  posthorn campaigns\n  posthorn campaigns --api analytics:8090 --limit 5",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			return a.printCampaigns(cmd.Context(), cfg, limit)
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many")
	return cmd
}

func (a *app) printCampaigns(ctx context.Context, cfg *config.Config, limit int) error {
	var list analytics.CampaignList
	if err := ask(ctx, cfg, "/v1/campaigns", url.Values{"limit": {strconv.Itoa(limit)}, "course": {"14"}}, &list); err != nil {
		return err
	}
	return terminal.PrintCampaigns(a.out, list)
}

func (a *app) campaignCommand() *cobra.Command {
	query := map[string]*string{}
	var by string
	cmd := &cobra.Command{
		Use: "campaign ID", Short: "Print one campaign: totals, rates, course over time", Args: cobra.ExactArgs(1),
		Long: `Asks the HTTP API for one campaign. With --by it prints the course over time
instead, with a row for each day, hour or five minutes by the clock of --tz, those
without any event too; or what the campaign's counts are made of, by link, country,
client, os, device, machine, domain, provider or reason.`,
		Example: `  posthorn campaign 7340112
  posthorn campaign 7340112 --by day --tz Europe/Paris
  posthorn campaign 7340112 --by link
  posthorn campaign 7340112 --by hour --basis send --from 2026-10-25 --to 2026-10-27 --tz America/New_York`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			values := url.Values{}
			for name, value := range query {
				if *value != "" {
					values.Set(name, *value)
				}
			}
			path := "/v1/campaigns/" + url.PathEscape(args[0])
			switch by {
			case "":
			case analytics.ResolutionDay, analytics.ResolutionHour, analytics.Resolution5m, analytics.ResolutionLifetime:
				return a.printSeries(cmd.Context(), cfg, path+"/series", by, values)
			default:
				return a.printBreakdown(cmd.Context(), cfg, path+"/breakdown", by, values)
			}
			renamed(values, "basis", "basis", map[string]string{"event": "event_time", "send": "send_time"})
			var detail analytics.CampaignDetail
			if err := ask(cmd.Context(), cfg, path, values, &detail); err != nil {
				return err
			}
			return terminal.PrintCampaign(a.out, detail)
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	cmd.Flags().StringVar(&by, "by", "", "print the course over time by day, hour, 5m or lifetime, or a breakdown by link, country, client, os, device, machine, domain, provider or reason")
	for name, usage := range map[string]string{
		"basis": "event (each count at its event) or send (all at the send)",
		"step":  "5m, 15m, 1h or 1d: of the bars without --by", "tz": "time zone of hours and days, such as Europe/Berlin",
		"from": "start, RFC 3339 or a day", "to": "end, RFC 3339 or a day",
	} {
		query[name] = cmd.Flags().String(name, "", usage)
	}
	cmd.MarkFlagsMutuallyExclusive("by", "step")
	return cmd
}

// printSeries asks for a series with the flags of the command, which has other
// names for some.
func (a *app) printSeries(ctx context.Context, cfg *config.Config, path, by string, values url.Values) error {
	values.Set("resolution", by)
	renamed(values, "from", "since", nil)
	renamed(values, "to", "until", nil)
	renamed(values, "basis", "basis", map[string]string{"event_time": "event", "send_time": "send"})
	var series analytics.TimeSeries
	if err := ask(ctx, cfg, path, values, &series); err != nil {
		return err
	}
	return terminal.PrintTimeSeries(a.out, series)
}

// renamed gives a parameter, where it is given, another name and its value the
// word for it.
func renamed(values url.Values, from, to string, words map[string]string) {
	value := values.Get(from)
	if value == "" {
		return
	}
	if word, ok := words[value]; ok {
		value = word
	}
	values.Del(from)
	values.Set(to, value)
}

// ask asks the HTTP API.
func ask(ctx context.Context, cfg *config.Config, path string, query url.Values, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return callAPI(ctx, cfg, http.MethodGet, path+"?"+query.Encode(), nil, decodeInto(answer))
}

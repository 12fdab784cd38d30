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
	if err := ask(ctx, cfg, "/v1/campaigns", url.Values{"limit": {strconv.Itoa(limit)}}, &list); err != nil {
		return err
	}
	return analytics.PrintCampaigns(a.out, list)
}

func (a *app) campaignCommand() *cobra.Command {
	query := map[string]*string{}
	cmd := &cobra.Command{
		Use: "campaign ID", Short: "Print one campaign: totals, rates, course over time", Args: cobra.ExactArgs(1),
		Example: `  posthorn campaign 7340112
  posthorn campaign 7340112 --basis send_time --step 1d --tz Europe/Berlin`,
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
			var detail analytics.CampaignDetail
			if err := ask(cmd.Context(), cfg, "/v1/campaigns/"+url.PathEscape(args[0]), values, &detail); err != nil {
				return err
			}
			return analytics.PrintCampaign(a.out, detail)
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	for name, usage := range map[string]string{
		"basis": "event_time (each count at its event) or send_time (all at the send)",
		"step":  "5m, 15m, 1h or 1d", "tz": "time zone of hours and days, such as Europe/Berlin",
		"from": "start, RFC 3339", "to": "end, RFC 3339",
	} {
		query[name] = cmd.Flags().String(name, "", usage)
	}
	return cmd
}

// ask asks the HTTP API.
func ask(ctx context.Context, cfg *config.Config, path string, query url.Values, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return callAPI(ctx, cfg, http.MethodGet, path+"?"+query.Encode(), nil, decodeInto(answer))
}

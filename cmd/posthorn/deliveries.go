package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/schemas"
)

// deliveriesOptions say which attempts are meant.
type deliveriesOptions struct {
	failed                                    bool
	status, endpoint, rule, campaign, trigger string
	recipient, since, until                   string
	limit                                     int
	json                                      bool
}

func (a *app) deliveriesCommand() *cobra.Command {
	var o deliveriesOptions
	cmd := &cobra.Command{
		Use: "deliveries", Short: "List attempts of calls; show one, make failed ones again, follow them", Args: cobra.NoArgs,
		Long: `Asks the HTTP API for the attempts to call endpoints, the latest first. Times are
UTC. A recipient is an address, for which the recipient secret is needed, or an
id (posthorn recipient id).`,
		Example: `  posthorn deliveries --failed --since 1h
  posthorn deliveries --recipient anna@example.org
  posthorn deliveries show 5f1c0b2e-5f1c-0b2e-5f1c-0b2e5f1c0b2e
  posthorn deliveries retry --failed --since 1h --endpoint shop`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			return a.listDeliveries(cmd.Context(), cfg, o)
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	f := cmd.Flags()
	f.BoolVar(&o.failed, "failed", false, "only attempts that failed for good: no further one followed by itself")
	f.StringVar(&o.status, "status", "", "succeeded, retrying, failed, disabled or enabled")
	f.StringVar(&o.endpoint, "endpoint", "", "of this endpoint")
	f.StringVar(&o.rule, "rule", "", "of this rule")
	f.StringVar(&o.campaign, "campaign", "", "of this campaign")
	f.StringVar(&o.trigger, "trigger", "", "of this trigger")
	f.StringVar(&o.recipient, "recipient", "", "of this recipient: an address or an id")
	f.StringVar(&o.since, "since", "", "since a time, or for how long: 2026-01-31T15:04:05Z, 2026-01-31, 1h, 7d")
	f.StringVar(&o.until, "until", "", "until a time, likewise")
	f.IntVar(&o.limit, "limit", 20, "at most so many, up to 1000")
	f.BoolVar(&o.json, "json", false, "as JSON")
	cmd.AddCommand(a.deliveriesShowCommand(), a.deliveriesRetryCommand(), a.deliveriesTailCommand())
	return cmd
}

// query is what the API is asked.
func (o *deliveriesOptions) query(cfg *config.Config, now time.Time) (url.Values, error) {
	q := url.Values{"limit": {strconv.Itoa(o.limit)}}
	if o.failed {
		if o.status != "" && o.status != "failed" {
			return nil, errors.New("--failed and --status: name one of them")
		}
		o.status = "failed"
	}
	for name, value := range map[string]string{"status": o.status, "endpoint": o.endpoint, "rule": o.rule, "campaign": o.campaign, "trigger": o.trigger} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, text := range map[string]string{"since": o.since, "until": o.until} {
		at, err := parseMoment(text, now)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339))
		}
	}
	if o.recipient != "" {
		id, err := recipientID(cfg, o.recipient)
		if err != nil {
			return nil, fmt.Errorf("--recipient: %w", err)
		}
		q.Set("recipient", id.String())
	}
	return q, nil
}

// recipientID is that of an address, or the id itself.
func recipientID(cfg *config.Config, text string) (schemas.ID, error) {
	if id, err := schemas.ParseID(text); err == nil {
		return id, nil
	}
	if !strings.Contains(text, "@") {
		return schemas.ID{}, fmt.Errorf("%q is neither an address nor an id", text)
	}
	if cfg.RecipientSecret.IsZero() {
		return schemas.ID{}, errors.New("an address needs recipient_secret to be found by: set it, or give the id (posthorn recipient id)")
	}
	secret, err := cfg.RecipientSecret.Value()
	if err != nil {
		return schemas.ID{}, fmt.Errorf("recipient_secret: %w", err)
	}
	return schemas.RecipientID([]byte(secret), text), nil
}

// parseMoment reads a time, a day, which begins at midnight in UTC, or how long ago;
// empty is the zero time.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n < 36500 {
			return now.Add(-time.Duration(n * float64(24*time.Hour))), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither a time (2026-01-31T15:04:05Z), a day (2026-01-31) nor a length (90m, 1h, 7d)", text)
}

func (a *app) listDeliveries(ctx context.Context, cfg *config.Config, o deliveriesOptions) error {
	query, err := o.query(cfg, time.Now())
	if err != nil {
		return err
	}
	var list analytics.DeliveryList
	if err := ask(ctx, cfg, "/v1/deliveries", query, &list); err != nil {
		return err
	}
	if o.json {
		return a.printJSON(list)
	}
	if len(list.Deliveries) == 0 {
		fmt.Fprintln(a.out, "No calls were made as asked for.")
		return nil
	}
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"When", "Trigger", "Rule", "Endpoint", "Attempt", "Status", "Took", "Error"})
	for _, d := range list.Deliveries {
		t.AppendRow(table.Row{
			d.AttemptedAt.UTC().Format(time.DateTime), d.TriggerID, d.Rule, d.Endpoint, attemptText(int(d.Attempt), d.Manual),
			statusText(d.Status, int(d.StatusCode)), fmt.Sprint(d.DurationMS, " ms"), brief(d.Error, 60),
		})
	}
	t.Render()
	if list.Next != "" {
		fmt.Fprintf(a.out, "The latest %d; there are more: --limit, --since and --until choose others.\n", len(list.Deliveries))
	}
	return nil
}

func attemptText(n int, manual bool) string {
	text := strconv.Itoa(n)
	if manual {
		text += " (asked for)"
	}
	return text
}

func statusText(status string, code int) string {
	if code != 0 {
		return fmt.Sprintf("%s (%d)", status, code)
	}
	return status
}

// brief cuts a text for a table, at a rune and to one line.
func brief(text string, n int) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return string(runes)
}

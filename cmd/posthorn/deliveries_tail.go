package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/schemas"
)

// liveOptions say what of a topic is followed.
type liveOptions struct {
	tailOptions
	endpoint, rule string
	failed         bool
	json           bool
}

func (a *app) deliveriesTailCommand() *cobra.Command {
	var o liveOptions
	cmd := &cobra.Command{
		Use: "tail", Short: "Follow attempts of calls as they are made", Args: cobra.NoArgs,
		Long: `Prints a line for each attempt, from now on or from the start, until --limit
lines, --timeout without a new one, or an interrupt.`,
		Example: "  posthorn deliveries tail --endpoint shop\n  posthorn deliveries tail --failed --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, config.NeedKafka)
			if err != nil {
				return err
			}
			return a.followTopic(cmd.Context(), cfg, schemas.TopicDeliveries, o.tailOptions, a.showing(&o, func(r schemas.Record) (string, bool) {
				d := r.(*schemas.Delivery)
				return deliveryLine(d), wanted(o.endpoint, d.Endpoint) && wanted(o.rule, d.Rule) &&
					(!o.failed || d.Status != schemas.DeliveryStatusSucceeded && d.Status != schemas.DeliveryStatusEnabled)
			}))
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.failed, "failed", false, "only attempts that failed, for good or not")
	return cmd
}

// triggersCommand has what follows the triggers.
func (a *app) triggersCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "triggers", Short: "Follow rules as they fire"}
	var o liveOptions
	tail := &cobra.Command{
		Use: "tail", Short: "Follow rules as they fire", Args: cobra.NoArgs,
		Long: `Prints a line for each trigger of the live generation, from now on or from the
start, until --limit lines, --timeout without a new one, or an interrupt.`,
		Example: "  posthorn triggers tail --rule discount-24h\n  posthorn triggers tail --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd, config.NeedKafka)
			if err != nil {
				return err
			}
			return a.followTopic(cmd.Context(), cfg, schemas.TopicTriggers, o.tailOptions, a.showing(&o, func(r schemas.Record) (string, bool) {
				t := r.(*schemas.Trigger)
				return triggerLine(t), wanted(o.endpoint, t.Endpoint) && wanted(o.rule, t.Rule)
			}))
		},
	}
	o.flags(tail)
	cmd.AddCommand(tail)
	return cmd
}

func (o *liveOptions) flags(cmd *cobra.Command) {
	o.tailOptions.flags(cmd)
	cmd.Flags().StringVar(&o.endpoint, "endpoint", "", "of this endpoint")
	cmd.Flags().StringVar(&o.rule, "rule", "", "of this rule")
	cmd.Flags().BoolVar(&o.json, "json", false, "as JSON, a line each")
}

func wanted(name, got string) bool { return name == "" || name == got }

// showing prints the records that line wants, by it or as JSON.
func (a *app) showing(o *liveOptions, line func(schemas.Record) (text string, wanted bool)) func(*kgo.Record, schemas.Record) (bool, error) {
	out := json.NewEncoder(a.out)
	out.SetEscapeHTML(false)
	return func(_ *kgo.Record, r schemas.Record) (bool, error) {
		text, wanted := line(r)
		if !wanted {
			return false, nil
		}
		if o.json {
			return true, out.Encode(r)
		}
		_, err := fmt.Fprintln(a.out, plain(text))
		return true, err
	}
}

func deliveryLine(d *schemas.Delivery) string {
	at := d.AttemptedAt.Time().UTC().Format(time.DateTime)
	if d.TriggerID.IsZero() {
		return strings.TrimSpace(fmt.Sprintf("%s endpoint %s is %s %s", at, d.Endpoint, d.Status, brief(d.Error, 200)))
	}
	text := fmt.Sprintf("%s %s to %s for %s: attempt %s %s in %d ms", at, d.TriggerID, d.Endpoint, d.Rule,
		attemptText(int(d.Attempt), d.Manual), statusText(d.Status.String(), int(d.StatusCode)), d.DurationMS)
	if d.Error != "" {
		text += ": " + brief(d.Error, 200)
	}
	if !d.NextAttemptAt.IsZero() {
		text += ", again at " + d.NextAttemptAt.Time().UTC().Format(time.DateTime)
	}
	return text
}

func triggerLine(t *schemas.Trigger) string {
	about := t.RecipientID.String()
	if t.RecipientID.IsZero() {
		about = "campaign " + t.CampaignID
	}
	text := fmt.Sprintf("%s %s %s %s for %s", t.ArrivedAt.Time().UTC().Format(time.DateTime), t.TriggerID, t.Rule, t.Status, about)
	if t.State != "" {
		text = fmt.Sprintf("%s: %s, %d of %d", text, t.State, t.Hits, t.Base)
	}
	if t.Endpoint != "" {
		text += ", to " + t.Endpoint
	}
	return text
}

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/delivery"
	"github.com/posthorn/posthorn/schemas"
)

func (a *app) endpointsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "endpoints", Short: "List endpoints; enable one that was disabled", Args: cobra.NoArgs,
		Long: `Lists the configured endpoints, what calls do there, and which are disabled: an
endpoint is when it answers 410 Gone, or has only failed for days.`,
		Example: "  posthorn endpoints\n  posthorn endpoints enable shop",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			return a.listEndpoints(cmd.Context(), cfg)
		},
	}
	config.AddFlags(cmd.Flags(), "brokers", "data")
	cmd.AddCommand(a.endpointsEnableCommand())
	return cmd
}

func (a *app) listEndpoints(ctx context.Context, cfg *config.Config) error {
	asked, state := &controls.Snapshot{}, "unknown"
	if len(cfg.Kafka.Brokers) > 0 {
		var err error
		if asked, err = controls.Read(ctx, a.quietKafka(cfg)); err != nil {
			return fmt.Errorf("asking which endpoints are disabled: %w", err)
		}
		state = "enabled"
	}
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Endpoint", "Action", "URL", "State"})
	known := map[string]bool{}
	for i := range cfg.Endpoints {
		e := &cfg.Endpoints[i]
		known[e.Name] = true
		url, now := endpointURL(e), state
		if said := asked.Endpoints[e.Name]; said.Disabled && (said.URL == "" || url == "" || said.URL == url) {
			now = disabledText(said)
		}
		t.AppendRow(table.Row{e.Name, actionName(e), url, now})
	}
	t.Render()
	for _, name := range slices.Sorted(maps.Keys(asked.Endpoints)) {
		if said := asked.Endpoints[name]; said.Disabled && !known[name] {
			fmt.Fprintf(a.out, "Endpoint %s, which is not configured here, is %s.\n", name, disabledText(said))
		}
	}
	return nil
}

// endpointURL is what is called, without what is secret; empty where that can't be
// told.
func endpointURL(e *config.Endpoint) string {
	to, err := endpoint(e)
	if err != nil {
		return ""
	}
	return to.PublicURL()
}

func actionName(e *config.Endpoint) string {
	if e.Action == "" {
		return delivery.ActionCallback
	}
	return e.Action
}

func disabledText(e controls.Endpoint) string {
	text := "disabled since " + e.At.UTC().Format(time.DateTime)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

func (a *app) endpointsEnableCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "enable NAME", Short: "Make calls again to an endpoint that was disabled", Args: cobra.ExactArgs(1),
		Long: `Calls are made again from now on. Those that failed meanwhile stay failed:
posthorn deliveries retry --failed --endpoint NAME makes them again.`,
		Example: `  posthorn endpoints enable shop --reason "moved to the new server"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(cmd, config.NeedKafka)
			if err != nil {
				return err
			}
			return a.enable(cmd.Context(), cfg, args[0], reason)
		},
	}
	config.AddFlags(cmd.Flags(), "brokers", "registry", "data")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever looks next")
	return cmd
}

func (a *app) enable(ctx context.Context, cfg *config.Config, name, reason string) error {
	kc := a.quietKafka(cfg)
	asked, err := controls.Read(ctx, kc)
	if err != nil {
		return err
	}
	said, known := asked.Endpoints[name]
	switch {
	case !known && !slices.ContainsFunc(cfg.Endpoints, func(e config.Endpoint) bool { return e.Name == name }):
		return fmt.Errorf("no endpoint %q is configured or was disabled; see: posthorn endpoints", name)
	case !said.Disabled:
		fmt.Fprintf(a.out, "Endpoint %s is not disabled.\n", name)
		return nil
	}
	now := time.Now().UTC()
	by := controls.Caller()
	w, err := controls.NewWriter(kc)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Endpoint(ctx, controls.Endpoint{Name: name, By: by, At: now, Reason: reason, URL: said.URL}); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Endpoint %s is enabled. What failed meanwhile: posthorn deliveries retry --failed --endpoint %[1]s\n", name)
	return recordEnabled(ctx, cfg, kc, &schemas.Delivery{
		Tenant: cfg.Tenant, Endpoint: name, URL: said.URL, AttemptedAt: schemas.FromTime(now), Status: schemas.DeliveryStatusEnabled, Error: enabledBy(by, reason),
	})
}

func enabledBy(by, reason string) string {
	if reason == "" {
		return "by " + by
	}
	return "by " + by + ": " + reason
}

// recordEnabled adds to the record of an endpoint's calls that it was enabled.
func recordEnabled(ctx context.Context, cfg *config.Config, kc kafka.Config, d *schemas.Delivery) error {
	serde, err := register(ctx, cfg)
	if err != nil {
		return err
	}
	cl, err := kafka.NewProducer(kc)
	if err != nil {
		return err
	}
	defer cl.Close()
	rec := &kgo.Record{Topic: schemas.TopicDeliveries, Key: d.TriggerID[:], Value: serde.Append(nil, schemas.TopicDeliveries, d)}
	if err := cl.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return fmt.Errorf("recording that it is enabled: %w", err)
	}
	return nil
}

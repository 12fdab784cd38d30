package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/controls"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/trigger"
)

func (a *app) rulesListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the rules: what each waits for, whom it calls, whether it is paused", Args: cobra.NoArgs,
		Long: `Lists the configured rules. With a Kafka to ask, also whether their calls are
paused, by whom and why.`,
		Example: "  posthorn rules\n  posthorn rules pause discount-24h --reason \"too many calls\"",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			return a.listRules(cmd.Context(), cfg)
		},
	}
	config.AddFlags(cmd.Flags(), "rules", "brokers", "data")
	return cmd
}

func (a *app) listRules(ctx context.Context, cfg *config.Config) error {
	set, err := trigger.Load(cfg.Rules...)
	if err != nil {
		return err
	}
	asked, unknown := &controls.Snapshot{}, ""
	if len(cfg.Kafka.Brokers) > 0 {
		if asked, err = controls.Read(ctx, a.quietKafka(cfg)); err != nil {
			return fmt.Errorf("asking which rules are paused: %w", err)
		}
	} else {
		unknown = "unknown" // never "no" where nobody was asked
	}
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Rule", "Kind", "Mode", "Calls", "When", "Paused"})
	known := map[string]bool{}
	for _, r := range set.Rules() {
		known[r.Name] = true
		mode := "live"
		if r.Shadow {
			mode = "shadow"
		}
		paused := unknown
		if paused == "" {
			paused = pausedText(asked.Rules[r.Name])
		}
		t.AppendRow(table.Row{r.Name, r.Kind, mode, r.Call, r.When, paused})
	}
	t.Render()
	for name, r := range asked.Rules {
		if r.Paused && !known[name] {
			fmt.Fprintf(a.out, "Rule %s, which is not configured here, is paused%s.\n", name, byWhom(r))
		}
	}
	return nil
}

func pausedText(r controls.Rule) string {
	if !r.Paused {
		return "no"
	}
	return "since " + r.At.UTC().Format(time.DateTime) + byWhom(r)
}

func byWhom(r controls.Rule) (text string) {
	if r.By != "" {
		text += " by " + r.By
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

func (a *app) rulesPauseCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "pause NAME", Short: "Hold the calls of a rule until it is resumed", Args: cobra.ExactArgs(1),
		Long: `From now on nobody is called for the rule. It fires as before, and its calls wait,
those included that wait for another attempt.`,
		Example: `  posthorn rules pause discount-24h --reason "codes ran out"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := controls.Rule{Name: args[0], Paused: true, Reason: reason}
			return a.control(cmd, r, "Rule %s is paused: its calls wait until: posthorn rules resume %[1]s\n")
		},
	}
	config.AddFlags(cmd.Flags(), "rules", "brokers", "data")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever looks next")
	return cmd
}

func (a *app) rulesResumeCommand() *cobra.Command {
	var drop bool
	var reason string
	cmd := &cobra.Command{
		Use: "resume NAME", Short: "Make the calls of a rule again", Args: cobra.ExactArgs(1),
		Long: `The calls that waited are made, unless --drop gives them up: each is then recorded
as failed, and can be made with: posthorn deliveries retry.`,
		Example: "  posthorn rules resume discount-24h\n  posthorn rules resume discount-24h --drop",
		RunE: func(cmd *cobra.Command, args []string) error {
			text := "Rule %s is resumed: the calls that waited are made.\n"
			if drop {
				text = "Rule %s is resumed: the calls that waited are given up.\n"
			}
			return a.control(cmd, controls.Rule{Name: args[0], Drop: drop, Reason: reason}, text)
		},
	}
	config.AddFlags(cmd.Flags(), "rules", "brokers", "data")
	cmd.Flags().BoolVar(&drop, "drop", false, "give up the calls that waited")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever looks next")
	return cmd
}

// control asks for a rule to be paused or resumed, and says so.
func (a *app) control(cmd *cobra.Command, r controls.Rule, text string) error {
	cfg, err := a.load(cmd)
	if err != nil {
		return err
	}
	if len(cfg.Kafka.Brokers) == 0 {
		return errNoKafka
	}
	r.By, r.At = controls.Caller(), time.Now().UTC()
	if err := a.checkRule(cmd.Context(), cfg, r.Name); err != nil {
		return err
	}
	w, err := controls.NewWriter(a.quietKafka(cfg))
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Rule(cmd.Context(), r); err != nil {
		return err
	}
	fmt.Fprintf(a.out, text, r.Name)
	return nil
}

var errNoKafka = errors.New("kafka.brokers: is missing: set it, POSTHORN_KAFKA_BROKERS or --brokers; or run this beside posthorn up")

// checkRule finds names that no rule has, where the rules are configured here.
func (a *app) checkRule(ctx context.Context, cfg *config.Config, name string) error {
	set, err := trigger.Load(cfg.Rules...)
	if err != nil {
		return err
	}
	if len(set.Rules()) == 0 || set.Rule(name) != nil {
		return nil
	}
	asked, err := controls.Read(ctx, a.quietKafka(cfg))
	if err != nil {
		return err
	}
	if _, known := asked.Rules[name]; known {
		return nil // of a rule that there was
	}
	return fmt.Errorf("there is no rule %q; see: posthorn rules", name)
}

// quietKafka is the Kafka of a command whose output is for people.
func (a *app) quietKafka(cfg *config.Config) kafka.Config {
	return kafkaConfig(cfg, slog.New(slog.DiscardHandler))
}

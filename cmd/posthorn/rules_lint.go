package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/processor/trigger"
)

func (a *app) rulesLintCommand() *cobra.Command {
	lint := &cobra.Command{
		Use: "lint [FILE...]", Short: "Check rules and their conditions",
		Long: `Checks the files named, or those of the configuration: their form, their
conditions, and that the endpoints they call are configured.`,
		Example: `  posthorn rules lint rules/*.yaml`,
		RunE: func(cmd *cobra.Command, files []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			configured := len(files) == 0
			if !configured {
				cfg.Rules = files
			}
			set, err := trigger.Load(cfg.Rules...)
			if err != nil {
				return err
			}
			for _, r := range set.Rules() {
				fmt.Fprintf(a.out, "%s: rule %s is fine (version %s)\n", r.Position, r.Name, r.Version)
			}
			if configured {
				return checkCalls(cfg, set)
			}
			return nil
		},
	}
	config.AddFlags(lint.Flags(), "rules", "data")
	return lint
}

// loadRules reads the rules and checks them against the configured endpoints.
func loadRules(cfg *config.Config) (*trigger.Set, error) {
	set, err := trigger.Load(cfg.Rules...)
	if err != nil {
		return nil, err
	}
	return set, checkCalls(cfg, set)
}

// checkCalls finds rules that call an endpoint that is not configured.
func checkCalls(cfg *config.Config, set *trigger.Set) error {
	known := map[string]bool{"": true}
	for _, e := range cfg.Endpoints {
		known[e.Name] = true
	}
	var errs []error
	for _, r := range set.Rules() {
		if !known[r.Call] {
			errs = append(errs, fmt.Errorf("%s: rule %q: call: endpoint %q is not configured; add it to endpoints", r.Position, r.Name, r.Call))
		}
	}
	return errors.Join(errs...)
}

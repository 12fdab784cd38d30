package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version and commit", Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) { fmt.Fprintln(a.out, "posthorn", version()) },
	}
}

// version is the module's version, or the commit that was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text, commit, changed := info.Main.Version, "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", with changes"
		}
	}
	if text == "" {
		text = "(devel)"
	}
	if commit != "" {
		text += " commit " + commit + changed
	}
	return text + " " + info.GoVersion
}

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Check the configuration and print what is in effect", Args: cobra.NoArgs,
		Long: `Reads file, environment and flags as every command does, prints the effective
configuration as YAML with all secrets masked, and names everything that is
wrong with it. The exit code is 1 if anything is.`,
		Example: `  posthorn config --config posthorn.yaml
  POSTHORN_KAFKA_BROKERS=kafka:9092 posthorn config`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.read(cmd)
			if err != nil {
				return err
			}
			if err := cfg.Print(a.out); err != nil {
				return err
			}
			_, rulesErr := loadRules(cfg)
			return errors.Join(cfg.Validate(), rulesErr)
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) recipientCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "recipient", Short: "Recipient ids"}
	id := &cobra.Command{
		Use: "id ADDRESS...", Short: "Print the id of an address, for SQL", Args: cobra.MinimumNArgs(1),
		Example: `  posthorn recipient id anna@example.org`,
		RunE: func(cmd *cobra.Command, addresses []string) error {
			cfg, err := a.load(cmd, config.NeedRecipientSecret)
			if err != nil {
				return err
			}
			secret, err := cfg.RecipientSecret.Value()
			if err != nil {
				return fmt.Errorf("recipient_secret: %w", err)
			}
			for _, address := range addresses {
				fmt.Fprintln(a.out, schemas.RecipientID([]byte(secret), address))
			}
			return nil
		},
	}
	config.AddFlags(id.Flags(), "data")
	cmd.AddCommand(id)
	return cmd
}

func (a *app) rulesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rules", Short: "Trigger rules"}
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
	cmd.AddCommand(lint)
	return cmd
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

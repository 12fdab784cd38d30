package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
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
			return errors.Join(cfg.Validate(), rulesErr, checkEndpoints(cfg))
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

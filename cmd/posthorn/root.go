package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/telemetry"
)

// app is what commands share.
type app struct {
	in          io.Reader
	out, errOut io.Writer
	file        string // --config
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "posthorn",
		Short: "E-mail webhooks in, triggers and campaign statistics out",
		Long: `Posthorn takes every webhook that e-mail providers send, keeps it in Kafka,
derives triggers and exact campaign statistics from the stream, and serves them
from ClickHouse.

Settings come from flags, then environment variables (POSTHORN_...), then a YAML
file (--config or POSTHORN_CONFIG), then defaults. "posthorn config" prints what
is in effect. Commands run beside "posthorn up" find it by its data directory.`,
		Example: `  posthorn up                                 everything in one process
  posthorn simulate --events 10000            a campaign, posted over HTTP
  posthorn campaigns                          its statistics
  posthorn tail posthorn.events --from-start  the facts as JSON
  posthorn verify                             recompute everything and compare`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVarP(&a.file, "config", "c", "", "configuration file (env POSTHORN_CONFIG)")
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run:"},
		&cobra.Group{ID: "look", Title: "Look:"},
		&cobra.Group{ID: "mend", Title: "Set up and mend:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("run", a.upCommand(), a.ingestCommand(), a.processorCommand(), a.analyticsCommand(), a.importCommand(), a.simulateCommand(), a.demoCommand())
	add("look", a.campaignsCommand(), a.campaignCommand(), a.statsCommand(), a.statusCommand(), a.deliveriesCommand(), a.triggersCommand(), a.tailCommand(), a.verifyCommand(), a.reconcileCommand(), a.recipientCommand(), a.suppressionsCommand(), a.exportCommand())
	add("mend", a.sourceCommand(), a.topicsCommand(), a.gatewaysCommand(), a.migrateCommand(), a.replayCommand(), a.rebuildCommand(), a.rulesCommand(), a.endpointsCommand(), a.configCommand(), a.engineCommand(), a.versionCommand())
	return root
}

// load reads the configuration and checks what the command needs.
func (a *app) load(cmd *cobra.Command, needs ...config.Need) (*config.Config, error) {
	cfg, err := a.read(cmd)
	if err != nil {
		return nil, err
	}
	return cfg, cfg.Validate(needs...)
}

// read loads the configuration without judging it.
func (a *app) read(cmd *cobra.Command) (*config.Config, error) {
	cfg, err := config.Load(a.configFile(), cmd.Flags())
	if err != nil {
		return nil, err
	}
	// Beside a running "up", a command that is told of no cluster reads what
	// that has left in the data directory.
	session := filepath.Join(cfg.Data, sessionFile)
	if _, missing := os.Stat(session); missing == nil && len(cfg.Kafka.Brokers) == 0 && !runsItself[cmd.Name()] {
		left, err := config.Load(session, cmd.Flags())
		if err != nil {
			return nil, err
		}
		takeSecrets(left, cfg)
		return left, nil
	}
	return cfg, nil
}

// configFile is the configuration file, or empty where there is none.
func (a *app) configFile() string {
	if a.file != "" {
		return a.file
	}
	return os.Getenv("POSTHORN_CONFIG")
}

// takeSecrets adds the secrets that "up" leaves in no file but that its
// configuration holds.
func takeSecrets(to, from *config.Config) {
	if len(to.Endpoints) == 0 {
		to.Endpoints = from.Endpoints
	}
	if to.RecipientSecret.IsZero() {
		to.RecipientSecret = from.RecipientSecret
	}
	for i := range to.Sources {
		for _, s := range from.Sources {
			if t := &to.Sources[i]; t.Name == s.Name && t.Password.IsZero() {
				t.Username, t.Password = s.Username, s.Password
			}
			if t := &to.Sources[i]; t.Name == s.Name && t.Key.IsZero() {
				t.Key = s.Key
			}
		}
	}
}

// runsItself names the commands that do not join a running "up".
var runsItself = map[string]bool{"up": true, "demo": true}

func (a *app) logger(cfg *config.Config) (*slog.Logger, error) {
	return telemetry.NewLogger(a.errOut, cfg.Log.Level, cfg.Log.Format)
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/provider/console"
	"github.com/posthorn/posthorn/internal/config"
)

// sourceLine is a source as it is listed.
type sourceLine struct {
	Name     string   `json:"name"`
	Provider string   `json:"provider"`
	Account  string   `json:"account"`
	URL      string   `json:"url"` // without user and password
	Verified string   `json:"verified_by"`
	Topics   []string `json:"topics,omitempty"`
	Disabled bool     `json:"disabled"`
}

func (a *app) sourceListCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Short: "List the sources and how each is verified", Args: cobra.NoArgs,
		Long: `Lists the sources of the configuration, or of the posthorn that runs in the data
directory. Where a source's url is not configured the gateway's own is shown.
Secrets are not shown, nor read.`,
		Example: "  posthorn source list -c posthorn.yaml\n  posthorn source list --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("--output: %q is unknown: write --output table or --output json", output)
			}
			cfg, err := a.readSources(cmd)
			if err != nil {
				return err
			}
			lines := make([]sourceLine, 0, len(cfg.Sources))
			for _, s := range cfg.Sources {
				lines = append(lines, lineOf(cfg, s))
			}
			if output == "json" {
				out := json.NewEncoder(a.out)
				out.SetEscapeHTML(false)
				out.SetIndent("", "  ")
				return out.Encode(lines)
			}
			return a.printSources(lines)
		},
	}
	config.AddFlags(cmd.Flags(), "data", "listen")
	cmd.Flags().StringVar(&output, "output", "table", "table or json")
	return cmd
}

func lineOf(cfg *config.Config, s config.Source) sourceLine {
	// That a secret is there says how the source is verified; what it is does not.
	creds := provider.Credentials{Username: s.Username, Header: s.Header}
	if !s.Key.IsZero() || !s.PreviousKey.IsZero() {
		creds.Keys = []string{""}
	}
	return sourceLine{
		Name: s.Name, Provider: s.Provider, Account: s.Account, URL: shownURL(cfg, s), Verified: console.WayOf(s.Provider, creds),
		Topics: s.Topics, Disabled: s.Disabled,
	}
}

func shownURL(cfg *config.Config, s config.Source) string {
	if u, err := url.Parse(s.URL); err == nil && s.URL != "" {
		u.User = nil
		return u.String()
	}
	return "http://" + cfg.Gateway.Listen + webhooksPath + s.Name
}

func (a *app) printSources(lines []sourceLine) error {
	if len(lines) == 0 {
		return errors.New("no source is configured: --config names the file, --data the directory of a running posthorn, and posthorn source add makes one")
	}
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	t.SetStyle(table.StyleLight)
	header := table.Row{"Source", "Provider", "Account", "URL", "Verified by", "State"}
	topics := false
	for _, l := range lines {
		topics = topics || len(l.Topics) > 0
	}
	if topics {
		header = append(header, "Topics")
	}
	t.AppendHeader(header)
	for _, l := range lines {
		state := "on"
		if l.Disabled {
			state = "disabled"
		}
		row := table.Row{l.Name, l.Provider, l.Account, l.URL, l.Verified, state}
		if topics {
			row = append(row, strings.Join(l.Topics, "\n"))
		}
		t.AppendRow(row)
	}
	t.Render()
	return nil
}

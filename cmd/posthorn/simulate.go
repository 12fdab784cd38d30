package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/simulate"
)

type simulateOptions struct {
	url, backup string
	events      int
	campaigns   int
	seed        uint64
	batch       int
	rate        float64
	connections int
}

func (a *app) simulateCommand() *cobra.Command {
	o := simulateOptions{}
	cmd := &cobra.Command{
		Use: "simulate", Short: "Post realistic Mailjet campaigns to a gateway", Args: cobra.NoArgs,
		Long: `Makes seeded Mailjet campaigns of the last two days and posts them over HTTP as
Mailjet would: skewed opens, clicks, bounces, machine opens, repeated and late
webhooks, a few broken bodies. It ends with what is true of them.`,
		Example: `  posthorn simulate --events 100000
  posthorn simulate --events 1000000 --rate 1000 --connections 64
  posthorn simulate --url http://mailjet:secret@127.0.0.1:8080/v1/webhooks/mailjet`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			if o.url == "" {
				if o.url, err = sourceURL(cfg, 0); err != nil {
					return err
				}
				if len(cfg.Sources) > 1 && o.backup == "" {
					o.backup, _ = sourceURL(cfg, 1)
				}
			}
			truth, err := a.simulate(cmd.Context(), o, time.Now())
			if err != nil {
				return err
			}
			printTruth(a.out, truth)
			return nil
		},
	}
	config.AddFlags(cmd.Flags(), "data", "listen")
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "", "URL of a source, with user and password (default: that of the running posthorn)")
	f.StringVar(&o.backup, "backup-url", "", "second URL of the same account, for repetitions")
	f.IntVar(&o.events, "events", 10_000, "about how many events")
	f.IntVar(&o.campaigns, "campaigns", 3, "campaigns")
	f.Uint64Var(&o.seed, "seed", 1, "seed: the same one gives the same people and behaviour")
	f.IntVar(&o.batch, "batch", 0, "events of a body (0: mixed, as Mailjet does)")
	f.Float64Var(&o.rate, "rate", 0, "events a second (0: as fast as they are taken)")
	f.IntVar(&o.connections, "connections", 16, "requests at a time")
	return cmd
}

// sourceURL is the URL that a provider would be given for a source.
func sourceURL(cfg *config.Config, i int) (string, error) {
	if i >= len(cfg.Sources) {
		return "", errors.New("no source is configured: give --url http://USER:PASSWORD@HOST:PORT/v1/webhooks/SOURCE, or the --data directory of a running posthorn")
	}
	s := cfg.Sources[i]
	u := &url.URL{Scheme: "http", Host: cfg.Gateway.Listen, Path: "/v1/webhooks/" + s.Name}
	if s.Username != "" {
		password, err := s.Password.Value()
		if err != nil {
			return "", fmt.Errorf("password of source %s: %w", s.Name, err)
		}
		u.User = url.UserPassword(s.Username, password)
	}
	return u.String(), nil
}

// simulate posts campaigns that end at now and returns what is true of them.
func (a *app) simulate(ctx context.Context, o simulateOptions, now time.Time) (*simulate.Truth, error) {
	c := simulate.DefaultConfig(now)
	c.Seed, c.Campaigns, c.Batch = o.seed, o.campaigns, o.batch
	c.Recipients = simulate.RecipientsFor(o.events, o.campaigns)
	g, err := simulate.New(c)
	if err != nil {
		return nil, fmt.Errorf("preparing the simulation: %w", err)
	}
	bar := a.bar(int64(o.events), "posting events")
	defer func() { _ = bar.Finish() }()
	_, err = simulate.Post(ctx, simulate.PostConfig{
		URL: o.url, BackupURL: o.backup, Connections: o.connections, Rate: o.rate,
		Progress: func(p simulate.Progress) {
			bar.ChangeMax64(max(p.Events, int64(o.events)))
			_ = bar.Set64(p.Events)
		},
	}, g)
	if err != nil {
		return nil, fmt.Errorf("posting the simulation: %w", err)
	}
	return g.Truth(), nil
}

func printTruth(w io.Writer, t *simulate.Truth) {
	all := t.Total()
	fmt.Fprintf(w, "posted: %d events in %d bodies, of them %d repeated events, %d broken bodies\n", t.Events, t.Bodies, t.DuplicateEvents, t.MalformedBodies)
	fmt.Fprintf(w, "true of them: %d messages, %d delivered, %d opened, %d of them by people, %d clicked\n",
		all.Messages, all.Delivered, all.Opened, all.HumanOpened, all.Clicked)
}

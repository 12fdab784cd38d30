package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/posthorn/posthorn/ingest/provider/console"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/mailjetapi"
)

type connectOptions struct {
	publicURL, apiURL   string
	publicKey, privateK string
	yes, dryRun         bool
}

func (a *app) sourceConnectCommand() *cobra.Command {
	var o connectOptions
	cmd := &cobra.Command{
		Use: "connect NAME", Short: "Set a source's URL at Mailjet, through its API", Args: cobra.ExactArgs(1),
		Long: `Has Mailjet post all 7 types of events to a source, in groups: looks up the event
callbacks of the account, shows what is to be done, and with --yes does it. What is
set already stays; backup URLs are not touched. A callback that Mailjet has given
up after failures is renewed, for which its URL must be a new one: it gets a
parameter "renewed", which means nothing to the gateway.

The keys are those of the account's API. For other providers it prints what to set
by hand.`,
		Example: `  MJ_APIKEY_PUBLIC=... MJ_APIKEY_PRIVATE=... posthorn source connect shop --public-url https://hooks.example.com --dry-run
  posthorn source connect shop --api-key file:mj.public --api-secret file:mj.private --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, s, err := a.readSource(cmd, args[0])
			if err != nil {
				return err
			}
			return a.connect(cmd.Context(), s, o)
		},
	}
	config.AddFlags(cmd.Flags(), "data")
	f := cmd.Flags()
	f.StringVar(&o.publicURL, "public-url", "", "where Mailjet reaches the gateway, such as https://hooks.example.com (default: the url of the source)")
	o.keyFlags(f)
	f.BoolVar(&o.yes, "yes", false, "do it")
	f.BoolVar(&o.dryRun, "dry-run", false, "only show what would be done")
	return cmd
}

// keyFlags are the flags that say how Mailjet's API is asked.
func (o *connectOptions) keyFlags(f *pflag.FlagSet) {
	f.StringVar(&o.publicKey, "api-key", "env:MJ_APIKEY_PUBLIC", "public API key: env:NAME or file:PATH")
	f.StringVar(&o.privateK, "api-secret", "env:MJ_APIKEY_PRIVATE", "private API key: env:NAME or file:PATH")
	f.StringVar(&o.apiURL, "api-url", mailjetapi.BaseURL, "Mailjet's API")
}

func (a *app) connect(ctx context.Context, s config.Source, o connectOptions) error {
	if o.publicURL != "" {
		var err error
		if s.URL, err = publicURL(o.publicURL, s.Name); err != nil {
			return err
		}
	}
	if s.Provider != "mailjet" {
		return byHand(s)
	}
	address, err := callbackURL(s)
	if err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	existing, err := client.Callbacks(ctx)
	if err != nil {
		return err
	}
	steps := mailjetapi.Plan(existing, address, time.Now())
	a.printPlan(steps)
	todo := 0
	for _, step := range steps {
		if step.Action != mailjetapi.Keep {
			todo++
		}
	}
	switch {
	case todo == 0:
		fmt.Fprintln(a.out, "Everything is set already.")
		return nil
	case o.dryRun:
		fmt.Fprintf(a.out, "%d would be set.\n", todo)
		return nil
	case !o.yes:
		return fmt.Errorf("nothing is changed yet: run it again with --yes to set %d callbacks", todo)
	}
	for i, step := range steps {
		if err := client.Apply(ctx, step); err != nil {
			return fmt.Errorf("%w; %d of %d types are set, and running it again does the rest", err, i, len(steps))
		}
	}
	fmt.Fprintf(a.out, "%d are set. Mailjet posts what happens from now on.\n", todo)
	return nil
}

// byHand says what to set where there is no API that this knows.
func byHand(s config.Source) error {
	c, ok := console.Of(s.Provider)
	if !ok {
		return fmt.Errorf("source %s: only Mailjet's callbacks can be set from here, and nothing is known of %q", s.Name, s.Provider)
	}
	st := setup(c, s)
	return fmt.Errorf("source %s is of %s: only Mailjet's callbacks can be set from here. By hand, at the provider:\n%s", s.Name, s.Provider, numbered(c.Steps(st), st.Paste))
}

// callbackURL is the source's address with its user and password, which is all
// that Mailjet can show.
func callbackURL(s config.Source) (string, error) {
	switch u, err := url.Parse(s.URL); {
	case s.URL == "":
		return "", errors.New("--public-url: is missing, and the source has no url: write where Mailjet reaches the gateway, such as --public-url https://hooks.example.com")
	case err != nil || u.Scheme != "https":
		return "", errors.New("--public-url: is not https, without which the password can be read on the way: write such as --public-url https://hooks.example.com")
	case s.Username == "":
		return "", fmt.Errorf("source %s has no username and password: anybody could post to it; add both to the configuration", s.Name)
	}
	creds, err := credentials(s)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return "", err
	}
	u.User = url.UserPassword(creds.Username, creds.Passwords[0])
	u.RawQuery, u.Fragment = "", ""
	return u.String(), nil
}

func (o connectOptions) client() (*mailjetapi.Client, error) {
	key := func(flag, text string) (string, error) {
		ref, err := config.ParseSecret(text)
		if err != nil {
			return "", fmt.Errorf("--%s: %w", flag, err)
		}
		value, err := ref.Value()
		if err != nil {
			return "", fmt.Errorf("--%s: %w: the API keys are in Mailjet under Account settings, API key management; set it, or name another place with --%s env:NAME or file:PATH", flag, err, flag)
		}
		return strings.TrimSpace(value), nil
	}
	public, err := key("api-key", o.publicKey)
	if err != nil {
		return nil, err
	}
	private, err := key("api-secret", o.privateK)
	if err != nil {
		return nil, err
	}
	return mailjetapi.New(mailjetapi.Config{PublicKey: public, PrivateKey: private, BaseURL: o.apiURL})
}

func (a *app) printPlan(steps []mailjetapi.Step) {
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"Event", "Action", "Why", "Now", "Then"})
	for _, s := range steps {
		now, then := "", masked(s.URL)
		if s.Now != nil {
			now = masked(s.Now.URL)
		}
		if s.Action == mailjetapi.Keep {
			then = ""
		}
		t.AppendRow(table.Row{s.EventType, s.Action, s.Why, now, then})
	}
	t.Render()
}

// masked is a URL whose secrets are not shown, those of others included: they
// may stand in the query.
func masked(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(no URL)"
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
	}
	q := u.Query()
	for name := range q {
		if name != "renewed" {
			q.Set(name, "xxxxx")
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

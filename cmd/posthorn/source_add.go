package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/provider/console"
	"github.com/posthorn/posthorn/internal/config"
)

type addOptions struct {
	provider, account, publicURL, auth string
	username, header, key              string
	topics                             []string
	secretDir, secretEnv               string
}

func (a *app) sourceAddCommand() *cobra.Command {
	var o addOptions
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a source to the configuration, and say what to set at the provider", Args: cobra.ExactArgs(1),
		Long: `Adds a source to the configuration file, whose other text stays as it is, and
prints the URL for the provider and what to set in its console. A password or key
that is not the provider's own is generated, into a file of its own beside the
configuration (--secret-dir: elsewhere; --secret-env: into no file at all), and
the configuration refers to that. Nothing is written unless the whole
configuration is valid with it. A gateway that runs must be restarted.`,
		Example: `  posthorn source add shop --provider mailjet --public-url https://hooks.example.com -c posthorn.yaml
  posthorn source add mg --provider mailgun --key env:MAILGUN_SIGNING_KEY -c posthorn.yaml
  posthorn source add mg --provider mailgun --key - -c posthorn.yaml < key.txt
  posthorn source add news --provider brevo --auth bearer -c posthorn.yaml
  posthorn source add ses --provider ses --topic arn:aws:sns:eu-west-1:123456789012:mail -c posthorn.yaml`,
		RunE: func(_ *cobra.Command, args []string) error {
			path := a.configFile()
			if path == "" {
				return errors.New("--config: is missing: name the file to add to, which is made if it is not there, such as --config posthorn.yaml")
			}
			return a.addSource(path, args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.provider, "provider", "", "provider: "+strings.Join(provider.Names(), ", "))
	f.StringVar(&o.publicURL, "public-url", "", "where the provider reaches the gateway, such as https://hooks.example.com")
	f.StringVar(&o.account, "account", "", "provider account, which several sources may share (default: NAME)")
	f.StringVar(&o.auth, "auth", "", "what shows that a webhook is the provider's: basic, bearer, header or signature (default: what is usual with it)")
	f.StringVar(&o.username, "username", "", "user of Basic authentication (default: NAME)")
	f.StringVar(&o.header, "header", "", "header that holds the key or signature")
	f.StringVar(&o.key, "key", "", "key that the provider has given: env:NAME, file:PATH, or - to read and keep it")
	f.StringArrayVar(&o.topics, "topic", nil, "ARN of an Amazon SNS topic to listen to; may be repeated")
	f.StringVar(&o.secretDir, "secret-dir", "", "folder for what is generated (default: that of the configuration)")
	f.StringVar(&o.secretEnv, "secret-env", "", "environment variable from which the gateway is to read what is generated")
	return cmd
}

// addition is a source that is being added.
type addition struct {
	*app
	o       addOptions
	console console.Console
	path    string // of the configuration
	source  config.Source

	secret string // what was generated or read
	file   string // where it was written; empty: nowhere
}

func (a *app) addSource(path, name string, o addOptions) (err error) {
	if !config.IsName(name) {
		return fmt.Errorf("NAME: %q is no name: letters, digits, - _ and ., at most 63; it is the last part of the URL", name)
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading configuration: %w", err)
	}
	before, err := config.LoadText(path, text, nil)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(before.Sources, func(s config.Source) bool { return s.Name == name }) {
		return fmt.Errorf("source %q is there already in %s: choose another name, or edit the file", name, path)
	}
	add := &addition{app: a, o: o, path: path, source: config.Source{Name: name}}
	if err := add.choose(); err != nil {
		return err
	}
	defer func() {
		if err != nil && add.file != "" {
			err = errors.Join(err, os.Remove(add.file))
		}
	}()
	if err := add.keepSecret(); err != nil {
		return err
	}
	if err := add.write(text); err != nil {
		return err
	}
	add.tell(before)
	return nil
}

// choose decides from the options what the source is like, but for secrets.
func (add *addition) choose() (err error) {
	o, s := add.o, &add.source
	const example = "posthorn source add shop --provider mailjet --public-url https://hooks.example.com"
	if o.provider == "" {
		return fmt.Errorf("--provider: is missing: one of %s; for example: %s", strings.Join(provider.Names(), ", "), example)
	}
	c, ok := console.Of(o.provider)
	if _, known := provider.ByName(o.provider); !known || !ok {
		return fmt.Errorf("--provider: %q is unknown: one of %s; for example: %s", o.provider, strings.Join(provider.Names(), ", "), example)
	}
	add.console, s.Provider, s.Account, s.Topics = c, o.provider, o.account, o.topics
	if o.publicURL != "" {
		if s.URL, err = publicURL(o.publicURL, s.Name); err != nil {
			return err
		}
	}
	way, err := add.way()
	if err != nil {
		return err
	}
	if way == console.Basic {
		if s.Username = o.username; s.Username == "" {
			s.Username = s.Name
		}
	}
	if way == console.Header {
		if s.Header = o.header; s.Header == "" {
			s.Header = c.Header
		}
	}
	switch {
	case c.Topics && len(o.topics) == 0:
		return fmt.Errorf("--topic: is missing: the ARN of the Amazon SNS topic that %s publishes to, since Amazon signs anybody's; for example: --topic arn:aws:sns:eu-west-1:123456789012:mail", o.provider)
	case !c.Topics && len(o.topics) > 0:
		return fmt.Errorf("--topic: %s has no Amazon SNS topics: leave it out", o.provider)
	case o.provider == "mandrill" && way == console.Signature && s.URL == "":
		return errors.New("--public-url: is missing: Mandrill signs the address of the webhook; for example: --public-url https://hooks.example.com")
	case o.header != "" && way != console.Header:
		return fmt.Errorf("--header: goes with --auth header only; this is %s", way)
	case o.username != "" && way != console.Basic:
		return fmt.Errorf("--username: goes with --auth basic only; this is %s", way)
	case o.secretDir != "" && o.secretEnv != "":
		return errors.New("--secret-dir and --secret-env: give one of them")
	}
	return add.chooseKey(way)
}

// way is the one that was asked for, else the one that the other options mean.
func (add *addition) way() (console.Way, error) {
	c, way := add.console, console.Way(add.o.auth)
	switch {
	case way != "":
	case add.o.header != "" && c.Has(console.Header):
		way = console.Header
	case add.o.key != "" && c.Ways[0] == console.Basic && len(c.Ways) > 1:
		way = c.Ways[1]
	default:
		way = c.Ways[0]
	}
	if c.Has(way) {
		return way, nil
	}
	var ways []string
	for _, w := range c.Ways {
		ways = append(ways, string(w))
	}
	return "", fmt.Errorf("--auth: %q is nothing that %s knows: one of %s", way, add.o.provider, strings.Join(ways, ", "))
}

// chooseKey takes the key that was named, or finds out whether one is generated.
func (add *addition) chooseKey(way console.Way) (err error) {
	c, s, key := add.console, &add.source, add.o.key
	switch {
	case way == console.Basic || c.Topics:
		if key != "" {
			return fmt.Errorf("--key: %s has none with --auth %s: leave it out", s.Provider, way)
		}
		if way == console.Basic {
			add.secret = console.NewPassword()
		}
		return nil
	case key == "-":
		text, err := io.ReadAll(io.LimitReader(add.in, 64<<10))
		if err != nil {
			return fmt.Errorf("--key -: %w", err)
		}
		if add.secret = strings.TrimSpace(string(text)); add.secret == "" {
			return errors.New("--key -: nothing was read: send the key through standard input, as in: posthorn source add ... --key - < key.txt")
		}
		return nil
	case key != "":
		if s.Key, err = config.ParseSecret(key); err != nil {
			return fmt.Errorf("--key: %w", err)
		}
		return nil
	case way == console.Signature && c.NewKey == nil:
		st := setup(c, *s)
		return fmt.Errorf("--key: is missing: %s\nAt the provider:\n%s\nThen put the key into a file and add the source with it, for example: --key file:%s.key", c.Key, numbered(c.Steps(console.Setup{
			Name: s.Name, URL: st.URL, Paste: st.URL, Way: console.Signature, KeyFile: s.Name + ".key",
		}), st.URL), s.Name)
	case way == console.Signature || c.Signs != "":
		add.secret = c.NewKey()
	default:
		add.secret = console.NewKey()
	}
	return nil
}

// numbered writes steps, and what URL they mean.
func numbered(steps []string, paste string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "     URL: %s", paste)
	for i, s := range steps {
		fmt.Fprintf(&b, "\n  %d. %s", i+1, s)
	}
	return b.String()
}

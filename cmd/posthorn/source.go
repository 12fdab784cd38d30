package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/ingest/provider/console"
	"github.com/posthorn/posthorn/internal/config"
)

func (a *app) sourceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "source", Short: "Add, list, test and connect sources, the URLs that providers post to",
		Example: `  posthorn source add shop --provider mailjet --public-url https://hooks.example.com -c posthorn.yaml
  posthorn source list
  posthorn source test shop
  posthorn source connect shop --dry-run`,
	}
	cmd.AddCommand(a.sourceAddCommand(), a.sourceListCommand(), a.sourceTestCommand(), a.sourceConnectCommand())
	return cmd
}

// readSources reads the configuration, beside a running "up" with its addresses.
// The sources are those of the file where it has any: one that was just added is
// not known to what runs.
func (a *app) readSources(cmd *cobra.Command) (*config.Config, error) {
	cfg, err := a.read(cmd)
	if err != nil {
		return nil, err
	}
	file, err := config.Load(a.configFile(), cmd.Flags())
	if err != nil {
		return nil, err
	}
	if len(file.Sources) > 0 {
		cfg.Sources = file.Sources
	}
	return cfg, nil
}

// readSource is readSources for one.
func (a *app) readSource(cmd *cobra.Command, name string) (*config.Config, config.Source, error) {
	cfg, err := a.readSources(cmd)
	if err != nil {
		return nil, config.Source{}, err
	}
	i := slices.IndexFunc(cfg.Sources, func(s config.Source) bool { return s.Name == name })
	if i >= 0 {
		return cfg, cfg.Sources[i], nil
	}
	var names []string
	for _, s := range cfg.Sources {
		names = append(names, s.Name)
	}
	known := "there are none"
	if len(names) > 0 {
		known = "there are " + strings.Join(names, ", ")
	}
	return nil, config.Source{}, fmt.Errorf("source %q is not configured: %s; --config names the file, --data the directory of a running posthorn, and posthorn source add makes one", name, known)
}

const webhooksPath = "/v1/webhooks/"

// publicURL is a source's address at a host that was given as https://host.
func publicURL(host, source string) (string, error) {
	u, err := url.Parse(host)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("--public-url: is no address: write the one at which the provider reaches the gateway, such as --public-url https://hooks.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("--public-url: leave out user, password, query and fragment: write such as --public-url https://hooks.example.com")
	}
	if strings.HasSuffix(u.Path, webhooksPath+source) { // the source's whole address
		return u.String(), nil
	}
	return u.JoinPath(webhooksPath, source).String(), nil
}

// withUser is an address with user and password in it.
func withUser(address, username, password string) string {
	u, err := url.Parse(address)
	if err != nil || username == "" {
		return address
	}
	u.User = url.UserPassword(username, password)
	return u.String()
}

// wayOf is how a configured source is verified.
func wayOf(c console.Console, s config.Source) console.Way {
	switch {
	case s.Key.IsZero() && s.Username != "":
		return console.Basic
	case s.Key.IsZero() && c.Topics:
		return console.Signature
	case s.Header != "":
		return console.Header
	case c.Signs == "":
		return console.Bearer
	}
	return console.Signature
}

// setup is what the steps in a provider's console depend on, with places for the
// secrets, which only the caller knows how to show.
func setup(c console.Console, s config.Source) console.Setup {
	address := s.URL
	if address == "" {
		address = "https://YOUR-HOST" + webhooksPath + s.Name
	}
	paste := withUser(address, s.Username, "PASSWORD")
	if u, err := url.Parse(address); err == nil && c.Path != "" {
		u.Path = c.Path
		paste = u.String()
	}
	return console.Setup{
		Name: s.Name, URL: address, Paste: paste, Way: wayOf(c, s),
		Username: s.Username, Password: "that of the source (" + s.Password.String() + ")",
		Header: s.Header, Key: "that of the source (" + s.Key.String() + ")", KeyFile: whereKept(s.Key), Topics: s.Topics,
	}
}

// whereKept names the place of a secret in steps.
func whereKept(s config.Secret) string {
	switch {
	case s.File != "":
		return filepath.Clean(s.File)
	case s.Env != "":
		return "$" + s.Env
	}
	return "the configuration"
}

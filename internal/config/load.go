package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"
)

// Load reads the configuration: defaults, then the file (none where path is
// empty), then environment variables, then flags (nil: none). All problems
// are returned at once, joined.
func Load(path string, flags *pflag.FlagSet) (*Config, error) {
	var text []byte
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("reading configuration: %w", err)
		}
	}
	return LoadText(path, text, flags)
}

// LoadText is Load of a file that has this text, or is to have it.
func LoadText(path string, text []byte, flags *pflag.FlagSet) (*Config, error) {
	c := Default()
	var errs []error
	if path != "" {
		errs = append(errs, c.readFile(path, text)...)
	}
	errs = append(errs, overlay(c, flags)...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for i := range c.Sources {
		if c.Sources[i].Account == "" {
			c.Sources[i].Account = c.Sources[i].Name
		}
	}
	return c, nil
}

func (c *Config) readFile(path string, text []byte) []error {
	errs := c.parse(path, text)
	// Paths in a file are relative to the file, wherever the process runs; and
	// absolute, since the session file that they are written into lies elsewhere.
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return append(errs, fmt.Errorf("folder of the configuration: %w", err))
	}
	c.RecipientSecret.relativeTo(dir)
	for i := range c.Sources {
		for _, secret := range c.Sources[i].secrets() {
			secret.relativeTo(dir)
		}
	}
	for i := range c.Endpoints {
		c.Endpoints[i].relativeTo(dir)
	}
	for i, r := range c.Rules {
		if !filepath.IsAbs(r) {
			c.Rules[i] = filepath.Join(dir, r)
		}
	}
	return errs
}

var unknownField = regexp.MustCompile(`^field (\S+) not found in type .*$`)

func (c *Config) parse(name string, text []byte) []error {
	loader, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithKnownFields())
	if err == nil {
		err = loader.Load(c)
	}
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	var many *yaml.LoadErrors
	if !errors.As(err, &many) {
		var one *yaml.LoadError
		if errors.As(err, &one) {
			return []error{fmt.Errorf("%s:%d: %s", name, one.Mark.Line, one.Message)}
		}
		return []error{fmt.Errorf("%s: %w", name, err)}
	}
	var errs []error
	for _, e := range many.Errors {
		message := unknownField.ReplaceAllString(e.Message, `unknown key "$1"`)
		errs = append(errs, fmt.Errorf("%s:%d: %s", name, e.Mark.Line, message))
	}
	return errs
}

// Print writes the configuration as YAML with all secrets masked. Read again,
// it means the same but for secrets that were given as text.
func (c *Config) Print(w io.Writer) error {
	masked := *c
	masked.ClickHouse.DSN = maskURL(c.ClickHouse.DSN)
	masked.Registry.URL = maskURL(c.Registry.URL)
	masked.Sources = slices.Clone(c.Sources)
	for i := range masked.Sources {
		masked.Sources[i].URL = maskURL(masked.Sources[i].URL)
	}
	masked.Endpoints = slices.Clone(c.Endpoints)
	for i := range masked.Endpoints {
		masked.Endpoints[i].URL = maskQuery(maskURL(masked.Endpoints[i].URL))
	}
	text, err := yaml.Dump(masked)
	if err != nil {
		return fmt.Errorf("printing configuration: %w", err)
	}
	_, err = w.Write(text)
	return err
}

func maskURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return mask // it cannot be told what of it is secret
	}
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), mask)
	}
	if q := u.Query(); q.Has("password") {
		q.Set("password", mask)
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// maskQuery masks all values in the query of a URL that maskURL has made: any may
// be a token.
func maskQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.RawQuery == "" {
		return text
	}
	q := u.Query()
	for name := range q {
		q.Set(name, mask)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// Session returns the configuration as a file for commands that run beside this
// process: with the database's password, but without secrets that lie in no
// file, and what needs them.
func (c *Config) Session() ([]byte, error) {
	s := *c
	if s.RecipientSecret.File == "" {
		s.RecipientSecret = Secret{}
	}
	s.Sources = nil
	for _, source := range c.Sources {
		if source.Password.File == "" {
			source.Username = ""
		}
		for _, secret := range source.secrets() {
			if secret.File == "" {
				*secret.Secret = Secret{}
			}
		}
		s.Sources = append(s.Sources, source)
	}
	s.Endpoints = nil
	text, err := yaml.Dump(s)
	if err != nil {
		return nil, fmt.Errorf("writing session file: %w", err)
	}
	return text, nil
}

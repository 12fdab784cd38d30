package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

const mask = "********"

// Secret is a value that is never printed: {env: NAME}, {file: path} or the
// text itself.
type Secret struct {
	Env, File, Inline string
}

// ErrUnset is wrapped where a secret's environment variable is not set.
var ErrUnset = errors.New("is not set")

// ParseSecret reads a reference as String writes it: env:NAME or file:PATH.
func ParseSecret(text string) (Secret, error) {
	switch kind, name, _ := strings.Cut(text, ":"); {
	case name == "":
	case kind == "env":
		return Secret{Env: name}, nil
	case kind == "file":
		return Secret{File: name}, nil
	}
	// The text is not repeated: it may be the secret itself.
	return Secret{}, errors.New("write env:NAME or file:PATH, not the secret itself: what stands on a command line is kept in its history")
}

// IsZero tells whether nothing is configured.
func (s Secret) IsZero() bool { return s == Secret{} }

// Value reads the secret. A line break at the end of a file is not part of it.
func (s Secret) Value() (string, error) {
	switch {
	case s.Env != "":
		v, ok := os.LookupEnv(s.Env)
		if !ok || v == "" {
			return "", fmt.Errorf("environment variable %s %w", s.Env, ErrUnset)
		}
		return v, nil
	case s.File != "":
		b, err := os.ReadFile(s.File)
		if err != nil {
			return "", fmt.Errorf("reading secret: %w", err)
		}
		v := strings.TrimRight(string(b), "\r\n")
		if v == "" {
			return "", fmt.Errorf("secret file %s is empty", s.File)
		}
		return v, nil
	}
	return s.Inline, nil
}

// String never shows the secret itself, so that it cannot end in a log.
func (s Secret) String() string {
	switch {
	case s.Env != "":
		return "env:" + s.Env
	case s.File != "":
		return "file:" + s.File
	case s.Inline != "":
		return mask
	}
	return ""
}

// GoString keeps %#v from showing it.
func (s Secret) GoString() string { return s.String() }

// UnmarshalYAML reads one of the three forms.
func (s *Secret) UnmarshalYAML(node *yaml.Node) error {
	*s = Secret{}
	if node.Kind == yaml.ScalarNode {
		s.Inline = node.Value
		return nil
	}
	const want = "want {env: NAME}, {file: path} or the text itself"
	if node.Kind != yaml.MappingNode || len(node.Content) != 2 {
		return errors.New("bad secret: " + want)
	}
	key, value := node.Content[0].Value, node.Content[1].Value
	switch {
	case value == "":
		return fmt.Errorf("bad secret: %q is empty", key)
	case key == "env":
		s.Env = value
	case key == "file":
		s.File = value
	default:
		return fmt.Errorf("bad secret: unknown key %q: %s", key, want)
	}
	return nil
}

// MarshalYAML writes where the secret comes from, or a mask.
func (s Secret) MarshalYAML() (any, error) {
	switch {
	case s.Env != "":
		return map[string]string{"env": s.Env}, nil
	case s.File != "":
		return map[string]string{"file": s.File}, nil
	case s.Inline != "":
		return mask, nil
	}
	return nil, nil
}

// relativeTo makes the file's path relative to the configuration file's folder.
func (s *Secret) relativeTo(dir string) {
	if s.File != "" && !filepath.IsAbs(s.File) {
		s.File = filepath.Join(dir, s.File)
	}
}

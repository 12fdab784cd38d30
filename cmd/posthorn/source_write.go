package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/config"
)

// keepSecret writes what was generated into a file, unless it is to come from the
// environment, and refers to it.
func (add *addition) keepSecret() error {
	s := &add.source
	if s.Key.File != "" {
		reference, err := add.relative(s.Key.File) // it was given relative to where we are
		if err != nil {
			return fmt.Errorf("--key: %w", err)
		}
		s.Key.File = reference
	}
	if add.secret == "" {
		return nil
	}
	to, kind := &s.Key, "key"
	if s.Username != "" {
		to, kind = &s.Password, "password"
	}
	if add.o.secretEnv != "" {
		*to = config.Secret{Env: add.o.secretEnv}
		return nil
	}
	dir := add.o.secretDir
	if dir == "" {
		dir = filepath.Dir(add.path)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--secret-dir: %w", err)
	}
	file := filepath.Join(dir, s.Name+"."+kind)
	if _, err := os.Lstat(file); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already, and is not written over: remove it, or give --secret-dir or --secret-env (%w)", file, errors.Join(err, fs.ErrExist))
	}
	if err := writeDurably(file, []byte(add.secret+"\n")); err != nil {
		return fmt.Errorf("keeping the secret: %w", err)
	}
	add.file = file
	reference, err := add.relative(file)
	if err != nil {
		return fmt.Errorf("keeping the secret: %w", err)
	}
	to.File = reference
	return nil
}

// relative is a file's path as the configuration refers to it: relative to its
// folder where the file lies below, else absolute.
func (add *addition) relative(file string) (string, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(filepath.Dir(add.path))
	if err != nil {
		return "", err
	}
	if short, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(short) {
		return short, nil
	}
	return file, nil
}

// write adds the source to the configuration's text, checks the whole, and
// replaces the file.
func (add *addition) write(text []byte) error {
	changed, err := config.AddSource(text, add.source)
	if errors.Is(err, config.ErrByHand) {
		item, yamlErr := config.SourceYAML(add.source)
		return errors.Join(fmt.Errorf("%s: %w; write its sources as a list of lines and run this again, or by hand add this to its sources, and make the file that it names:\n%s", add.path, err, item), yamlErr)
	}
	if err != nil {
		return err
	}
	cfg, err := config.LoadText(add.path, changed, nil)
	if err != nil {
		return err
	}
	// Variables may be set only where the gateway runs.
	if err := withoutUnset(cfg.Validate()); err != nil {
		return fmt.Errorf("%s would not be valid, nothing is changed:\n%w", add.path, err)
	}
	if err := checkVerifier(cfg.Sources[len(cfg.Sources)-1]); err != nil {
		return err
	}
	return replaceFile(add.path, changed)
}

// withoutUnset leaves out of joined errors those of variables that are not set.
func withoutUnset(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var rest []error
	for _, e := range joined.Unwrap() {
		if !errors.Is(e, config.ErrUnset) {
			rest = append(rest, e)
		}
	}
	return errors.Join(rest...)
}

// checkVerifier finds what the gateway would refuse to start with.
func checkVerifier(s config.Source) error {
	creds, err := credentials(s)
	if errors.Is(err, config.ErrUnset) {
		return nil
	}
	if err != nil {
		return err
	}
	p, ok := provider.ByName(s.Provider)
	if !ok {
		return fmt.Errorf("provider %q is unknown", s.Provider)
	}
	_, err = p.Verifier(creds)
	var wrong *provider.CredentialError
	if errors.As(err, &wrong) {
		flag := map[string]string{"topics": "topic", "password": "username", "url": "public-url"}[wrong.Field]
		if flag == "" {
			flag = wrong.Field
		}
		return fmt.Errorf("--%s: %s", flag, wrong.Problem)
	}
	return err
}

// replaceFile writes a file whole or not at all. It stays what it was: a link, and
// readable by the same.
func replaceFile(path string, text []byte) error {
	mode := fs.FileMode(0o600)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("writing configuration: %w", err)
		}
		mode = info.Mode().Perm()
	}
	if err := writeDurably(path, text); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	return nil
}

// tell says what was done, what to do at the provider, and what then.
func (add *addition) tell(before *config.Config) {
	s, w := add.source, add.out
	fmt.Fprintf(w, "Added source %s (%s) to %s.\n", s.Name, s.Provider, add.path)
	st := setup(add.console, s)
	paste := st.Paste
	if s.Username != "" {
		paste = withUser(st.URL, s.Username, add.secret)
		st.Paste, st.Password = paste, add.secret
	} else if add.secret != "" && add.o.key == "" {
		st.Key = add.secret
	}
	if add.file != "" {
		fmt.Fprintf(w, "The secret is in %s, which only you can read: the gateway must run as you, or be given it.\n", add.file)
		st.KeyFile = add.file
	}
	if add.o.secretEnv != "" && add.secret != "" {
		fmt.Fprintf(w, "The secret is kept nowhere. Where the gateway runs, set:\n  export %s=%s\n", add.o.secretEnv, add.secret)
	}
	fmt.Fprintf(w, "\nThe URL for the provider%s:\n  %s\n", once(s), paste)
	if s.URL == "" {
		fmt.Fprintln(w, "  (YOUR-HOST is where the provider reaches the gateway; --public-url would have filled it in)")
	} else if strings.HasPrefix(s.URL, "http:") {
		fmt.Fprintln(w, "  (without https everybody on the way can read the secret and the webhooks)")
	}
	fmt.Fprintln(w, "\nAt the provider:")
	for i, step := range add.console.Steps(st) {
		fmt.Fprintf(w, "  %d. %s\n", i+1, step)
	}
	if len(before.Sources) == 0 {
		if _, err := os.Stat(filepath.Join(before.Data, passwordFile)); err == nil {
			fmt.Fprintf(w, "\nposthorn up has had a source mailjet of its own in %s, and makes it only where no source is configured: add it too if it is used.\n", before.Data)
		}
	}
	fmt.Fprintf(w, "\nRestart the gateway, then try it: posthorn source test %s -c %s\n", s.Name, add.path)
}

// once says that a password is in the URL.
func once(s config.Source) string {
	if s.Username == "" {
		return ""
	}
	return "; the password in it is shown only now"
}

package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/posthorn/posthorn/internal/config"
)

// sessionFile lets commands find the posthorn that runs in a data directory: a
// configuration file, there while it runs.
const sessionFile = "running.yaml"

const (
	recipientSecretFile = "recipient.secret"
	passwordFile        = "mailjet.password"
)

// prepareData makes the data directory and what is generated once: the
// recipient secret, and a source where none is configured. It returns whether
// the source's password is new.
func prepareData(cfg *config.Config) (fresh bool, err error) {
	dir, err := filepath.Abs(cfg.Data)
	if err != nil {
		return false, fmt.Errorf("data directory: %w", err)
	}
	cfg.Data = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("creating data directory: %w", err)
	}
	if cfg.RecipientSecret.IsZero() {
		cfg.RecipientSecret = config.Secret{File: filepath.Join(dir, recipientSecretFile)}
		if _, err := generateOnce(cfg.RecipientSecret.File, 32); err != nil {
			return false, err
		}
	}
	if len(cfg.Sources) == 0 {
		password := filepath.Join(dir, passwordFile)
		if fresh, err = generateOnce(password, 16); err != nil {
			return false, err
		}
		// Two URLs of one account, as Mailjet's own and its backup URL.
		for _, name := range []string{"mailjet", "mailjet-backup"} {
			cfg.Sources = append(cfg.Sources, config.Source{
				Name: name, Provider: "mailjet", Account: "mailjet", Username: "mailjet", Password: config.Secret{File: password},
			})
		}
	}
	return fresh, nil
}

// generateOnce writes random bytes in hexadecimal to a file that does not exist
// yet, durably: what is derived from a secret must not outlive it.
func generateOnce(path string, bytes int) (fresh bool, err error) {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	secret := make([]byte, bytes)
	_, _ = rand.Read(secret) // it never fails
	if err := writeDurably(path, []byte(hex.EncodeToString(secret)+"\n")); err != nil {
		return false, fmt.Errorf("keeping generated secret: %w", err)
	}
	return true, nil
}

// writeDurably writes a file whole or not at all, readable by its owner alone.
func writeDurably(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

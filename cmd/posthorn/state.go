package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/generation"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// stateDir is the folder of the stages' state; empty: it is kept in memory.
func stateDir(cfg *config.Config) string {
	switch cfg.Processor.StateDir {
	case "":
		return filepath.Join(cfg.Data, "state")
	case "memory":
		return ""
	}
	return cfg.Processor.StateDir
}

// removeState removes the state of generations that were dropped. That of live
// stays, whatever topics there are.
func (n *node) removeState(ctx context.Context, live schemas.Generation) error {
	dir := stateDir(n.cfg)
	if dir == "" {
		return nil
	}
	admin, closeAdmin, err := kafka.NewAdmin(n.kafka)
	if err != nil {
		return err
	}
	defer closeAdmin()
	existing, err := generation.Existing(ctx, admin)
	if err != nil {
		return err
	}
	keep := map[string]bool{config.StageDelivery: true}
	for _, g := range append(existing, live) {
		for _, stage := range generation.Stages {
			keep[g.Name(stage)] = true
		}
	}
	folders, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var errs []error
	for _, f := range folders {
		if name, _ := schemas.SplitTopic(f.Name()); f.IsDir() && !keep[f.Name()] && slices.Contains(generation.Stages, name) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, f.Name())))
		}
	}
	return errors.Join(errs...)
}

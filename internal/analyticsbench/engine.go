package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse"
)

// engine is the embedded ClickHouse on a directory.
type engine struct {
	*clickhouse.Engine
	conn   driver.Conn
	closed sync.Once
	err    error
}

func openEngine(ctx context.Context, dir string) (*engine, error) {
	library, err := clickhouse.Fetch(ctx, clickhouse.FetchConfig{})
	if err != nil {
		return nil, err
	}
	e := &engine{}
	if e.Engine, err = clickhouse.Start(ctx, clickhouse.Config{Dir: dir, Library: library, Connections: 16, Logger: warnings()}); err != nil {
		return nil, err
	}
	if e.conn, err = analytics.Open(ctx, e.DSN()); err != nil {
		return nil, errors.Join(err, e.Engine.Close())
	}
	return e, nil
}

func (e *engine) close() error {
	e.closed.Do(func() { e.err = errors.Join(e.conn.Close(), e.Engine.Close()) })
	return e.err
}

// cloneEngine makes a copy of an engine's directory that may be changed. Parts
// are never written to, so their files are linked; all others are copied.
func cloneEngine(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o750)
		case entry.Type()&fs.ModeSymlink != 0:
			return cloneLink(path, target, from, to)
		case immutable(entry.Name()):
			return os.Link(path, target)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o640)
	})
	if err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return nil
}

// cloneLink keeps links inside the directory inside the copy.
func cloneLink(path, target, from, to string) error {
	link, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if rest, inside := strings.CutPrefix(link, from); inside {
		link = to + rest
	}
	return os.Symlink(link, target)
}

// immutable tells the files of a part.
func immutable(name string) bool {
	for _, ending := range []string{".bin", ".mrk2", ".mrk3", ".cmrk2", ".cmrk3", ".cmrk4", ".mrk4", ".idx", ".cidx", ".idx2"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// ownCPU is the processor time that this process has used, in seconds.
func ownCPU() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

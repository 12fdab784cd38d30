// Package importer posts files of native events to a gateway, in chunks that may be
// repeated: what identifies an event without an id of its own is the file and its
// place in it, so that an import that was broken off, or is done again, counts
// nothing twice.
package importer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/upload"
)

// Config is how files are imported.
type Config struct {
	// URL is that of the gateway's uploads, ending in /v1/events.
	URL   string
	Token string // of the source
	// Format is that of the file; upload.Auto: by its name, else by how it begins.
	Format upload.Format
	// StateDir keeps how far files are imported.
	StateDir string
	// DryRun only checks.
	DryRun bool
	// MaxFaults is how many faults are kept; default 20.
	MaxFaults int
	// GiveUp is how long one chunk is tried; default 5 minutes.
	GiveUp time.Duration
	// Progress is called now and then: bytes read of all, and events passed.
	Progress func(what string, done, total, events int64)
	// Client posts; default http.DefaultClient.
	Client *http.Client
}

// Result is what has become of a file's events.
type Result struct {
	Accepted, Rejected int64
	// Resumed is how many had been passed by an earlier, broken off import.
	Resumed int64
	// Unit is what the numbers of faults count: line or index.
	Unit    string
	Faults  []Fault  // the first
	Ignored []string // fields that nothing reads, the first in each chunk
}

// Fault is one thing wrong with one event.
type Fault struct {
	Number                int64
	Field, Reason, Detail string
}

// The size of a chunk. Where chunks end must not change between two imports of a file:
// it is part of what identifies events.
const (
	chunkEvents = 10_000
	chunkBytes  = 8 << 20
)

// maxWindow lets files be compressed with zstd --long.
const maxWindow = 128 << 20

// File imports one file. Where it returns an error, what was done until then is kept,
// and the next import of the same file goes on from there.
func File(ctx context.Context, path string, cfg Config) (Result, error) {
	if cfg.MaxFaults == 0 {
		cfg.MaxFaults = 20
	}
	if cfg.GiveUp == 0 {
		cfg.GiveUp = 5 * time.Minute
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string, int64, int64, int64) {}
	}
	if cfg.Client == nil {
		cfg.Client = http.DefaultClient
	}
	if cfg.Format == upload.Auto {
		cfg.Format = formatOf(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return Result{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Result{}, err
	}
	i := &importing{Config: cfg, path: path, size: info.Size()}
	if !cfg.DryRun {
		if i.digest, err = i.digestOf(ctx, f); err != nil {
			return Result{}, fmt.Errorf("reading %s: %w", path, err)
		}
		if err := i.load(); err != nil {
			return Result{}, err
		}
	}
	err = i.run(ctx, f)
	return i.state.Result, err
}

// formatOf tells the format by a file's name.
func formatOf(path string) upload.Format {
	name := strings.ToLower(filepath.Base(path))
	for _, packed := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, packed)
	}
	switch filepath.Ext(name) {
	case ".ndjson", ".jsonl":
		return upload.NDJSON
	case ".csv", ".tsv":
		return upload.CSV
	case ".avro", ".ocf":
		return upload.OCF
	}
	return upload.Auto
}

// importing is the import of one file.
type importing struct {
	Config
	path   string
	size   int64
	digest string
	state  state
}

func (i *importing) digestOf(ctx context.Context, f *os.File) (string, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, &counted{ctx: ctx, r: f, each: func(n int64) { i.Progress("reading", n, i.size, 0) }}); err != nil {
		return "", err
	}
	_, err := f.Seek(0, io.SeekStart)
	return hex.EncodeToString(sum.Sum(nil)[:16]), err
}

func (i *importing) run(ctx context.Context, f *os.File) error {
	what := "importing"
	if i.DryRun {
		what = "checking"
	}
	var passed int64
	in, err := upload.Open(&counted{ctx: ctx, r: f, each: func(n int64) { i.Progress(what, n, i.size, passed) }}, upload.Options{Format: i.Format, MaxWindow: maxWindow})
	if err != nil {
		return i.broken(err)
	}
	defer in.Close()
	i.state.Unit = in.Unit
	i.state.Resumed = i.state.Passed
	c := chunk{}
	for end := false; !end; {
		end, err = c.fill(in)
		if err != nil {
			return i.broken(err)
		}
		first := passed
		passed += c.events()
		switch {
		case c.events() == 0 || passed <= i.state.Passed: // done before
			continue
		case i.DryRun:
			i.check(&c)
		default:
			if err := i.post(ctx, &c, first); err != nil {
				return err
			}
		}
		i.state.Passed = passed
		if !i.DryRun {
			if err := i.save(); err != nil {
				return err
			}
		}
	}
	if i.DryRun {
		return nil
	}
	return i.forget()
}

// broken tells of a file that can't be read to its end.
func (i *importing) broken(err error) error {
	var bad *upload.Error
	if errors.As(err, &bad) {
		unit := i.state.Unit
		if unit == "" {
			unit = "line"
		}
		return fmt.Errorf("%s: %s %d: %w", i.path, unit, bad.Number, err)
	}
	return fmt.Errorf("reading %s: %w", i.path, err)
}

// check judges a chunk as the gateway will.
func (i *importing) check(c *chunk) {
	check := provider.NativeCheck{Now: time.Now()}
	for n := range c.numbers {
		faults := check.Event(c.line(n))
		if len(faults) == 0 {
			i.state.Accepted++
			continue
		}
		i.state.Rejected++
		for _, f := range faults {
			i.fault(Fault{c.numbers[n], strings.Clone(f.Field), f.Reason, f.Detail})
		}
	}
	i.local(c)
	i.ignore(check.Ignored())
}

// local notes the events that could not be read here.
func (i *importing) local(c *chunk) {
	for _, f := range c.faults {
		i.state.Rejected++
		i.fault(Fault{Number: f.Number, Reason: f.Reason, Detail: f.Detail})
	}
}

func (i *importing) fault(f Fault) {
	if len(i.state.Faults) < i.MaxFaults {
		i.state.Faults = append(i.state.Faults, f)
	}
}

// counted tells how much is read, and ends with its context.
type counted struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	each func(n int64)
}

func (c *counted) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.each(c.n)
	return n, err
}

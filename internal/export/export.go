// Package export writes what Posthorn knows to files: CSV, NDJSON and Parquet from
// the tables of ClickHouse, Avro object container files from the topics of Kafka.
//
// An export goes chunk by chunk. What is written stands in a file NAME.part, and
// beside it a state says how much of that counts and where the next chunk begins: a
// chunk that was broken off is cut away and written again, so that an export that
// was killed misses nothing and has nothing twice. The file gets its name when it is
// whole.
//
// In order of reading: tables.go (what there is), export.go (the loop), output.go
// and state.go (files), rows.go and clickhouse.go (ClickHouse), avro.go (Kafka).
package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// Config says what is exported and where to. Table, Format and Out are required.
type Config struct {
	// Table is one of Tables, Format one of Formats.
	Table, Format string
	// Out is a file, a folder that exists or ends in a slash, or "-" for Stdout.
	// Parquet can't be appended to: in a folder it is a file for each chunk, and one
	// file takes only what fits in one chunk.
	Out    string
	Stdout io.Writer
	// Tenant, where set, is whose rows are exported.
	Tenant string
	// Campaign, where set, is the only one.
	Campaign string
	// Since and Until bound the rows by the time at which they came or were last
	// changed, Until excluded. Zero: unbounded, and until now.
	Since, Until time.Time
	// Asked tells exports apart that must not go on from each other, as the times in
	// the user's words: 7d means another time a minute later.
	Asked string
	// Columns, where set, are the only ones of CSV, NDJSON and Parquet.
	Columns []string
	// Restart begins anew where an export was broken off.
	Restart bool
	// ChunkRows is about how many rows a chunk has; default 100,000.
	ChunkRows int64
	// GiveUp is how long one chunk is tried; default 5 minutes.
	GiveUp time.Duration
	// Progress, where set, is called after each chunk. Rows or, for Avro, records
	// passed, of a total that may change.
	Progress func(done, total int64)
	// Waiting, where set, is called when something failed that is tried again.
	Waiting func(err error, wait time.Duration)

	// DSN is that of ClickHouse.
	DSN string
	// Kafka, Serde and Generation are for Avro.
	Kafka      kafka.Config
	Serde      *schemas.Serde
	Generation schemas.Generation

	backOff backoff.BackOff // for tests
}

// Result is what was written.
type Result struct {
	Rows int64
	// Resumed is how many of them an export before this one had written.
	Resumed int64
	Files   []string
}

// source gives the rows of an export.
type source interface {
	// open checks what is wanted, and returns about how much there is.
	open(ctx context.Context) (total int64, err error)
	// begin writes what stands before the rows, or, where there is something
	// already, prepares for going on.
	begin(out *chunkFile, fresh bool) error
	// chunk writes the rows from at on.
	chunk(ctx context.Context, out *chunkFile, at cursor) (step, error)
}

// step is what a chunk was.
type step struct {
	next cursor
	rows int64
	// passed is how far it brings the progress.
	passed int64
	done   bool
}

// Run exports. Where it returns an error and there is a file, what was written until
// then is kept, and the next Run with the same Config goes on from there.
func Run(ctx context.Context, cfg Config) (Result, error) {
	if err := cfg.Check(); err != nil {
		return Result{}, err
	}
	cfg.complete()
	out, st, err := openOutput(&cfg)
	if err != nil {
		return Result{}, err
	}
	defer out.close()
	e := &exporting{cfg: cfg, out: out, st: st}
	if cfg.Format == Avro {
		e.src = &topicSource{cfg: &e.cfg, st: st}
	} else {
		e.src = &rowSource{cfg: &e.cfg, st: st}
	}
	resumed := st.Rows
	err = e.run(ctx)
	return Result{Rows: st.Rows, Resumed: resumed, Files: out.files()}, err
}

// Check judges what users say, before anything is asked.
func (c *Config) Check() error {
	if _, err := tableOf(c.Table); err != nil {
		return err
	}
	if !slices.Contains(Formats(), c.Format) {
		return fmt.Errorf("format %q: one of %s", c.Format, strings.Join(Formats(), ", "))
	}
	if c.Format == Avro && len(c.Columns) > 0 {
		return errors.New("columns can't be chosen for avro, whose files have the schema of the topic: leave columns out, or export parquet")
	}
	if c.Out == "" {
		return errors.New("out is missing: a file, a folder, or - for standard output")
	}
	if !c.Until.IsZero() && !c.Since.Before(c.Until) {
		return fmt.Errorf("since %s is not before until %s: there is nothing between them", c.Since.UTC().Format(time.RFC3339), c.Until.UTC().Format(time.RFC3339))
	}
	return nil
}

// complete sets the defaults.
func (c *Config) complete() {
	if c.Until.IsZero() {
		c.Until = time.Now()
	}
	if c.ChunkRows <= 0 {
		c.ChunkRows = 100_000
	}
	if c.GiveUp <= 0 {
		c.GiveUp = 5 * time.Minute
	}
	if c.Progress == nil {
		c.Progress = func(int64, int64) {}
	}
	if c.Waiting == nil {
		c.Waiting = func(error, time.Duration) {}
	}
}

type exporting struct {
	cfg Config
	src source
	out *output
	st  *state
}

func (e *exporting) run(ctx context.Context) error {
	total, err := retry(ctx, &e.cfg, func() (int64, error) { return e.src.open(ctx) })
	if err != nil {
		return e.failed(err)
	}
	if err := e.begin(total); err != nil {
		return e.failed(err)
	}
	for !e.st.Done {
		e.cfg.Progress(e.st.Passed, max(total, e.st.Passed))
		err := e.step(ctx)
		if errors.Is(err, errTooLarge) && e.cfg.ChunkRows > 1 && (e.out.folder || e.cfg.Format != Parquet) {
			if err = e.smaller(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return e.failed(err)
		}
	}
	e.cfg.Progress(e.st.Passed, e.st.Passed)
	return e.out.finish()
}

// smaller makes chunks smaller: rows may be longer than ChunkRows allows for.
func (e *exporting) smaller(ctx context.Context) error {
	e.cfg.ChunkRows = max(1, e.cfg.ChunkRows/4)
	_, err := retry(ctx, &e.cfg, func() (int64, error) { return e.src.open(ctx) })
	return err
}

// begin writes the beginning of the file, which counts as a chunk.
func (e *exporting) begin(total int64) error {
	if e.cfg.Format == Parquet && !e.out.folder && total > e.cfg.ChunkRows {
		return fmt.Errorf("about %d rows are too many for one Parquet file, which is made whole: name a folder, which gets a file for each %d rows", total, e.cfg.ChunkRows)
	}
	f, err := e.out.chunk()
	if err != nil {
		return err
	}
	if err := e.src.begin(f, !e.st.Begun); err != nil {
		return err
	}
	if e.st.Begun {
		return nil
	}
	e.st.Begun = true
	return e.out.commit(f)
}

func (e *exporting) step(ctx context.Context) error {
	var f *chunkFile
	s, err := retry(ctx, &e.cfg, func() (s step, err error) {
		if f, err = e.out.chunk(); err != nil {
			return s, backoff.Permanent(err)
		}
		s, err = e.src.chunk(ctx, f, e.st.Cursor)
		if f.failed != nil { // the disk: trying again is of no use
			return s, backoff.Permanent(f.failed)
		}
		return s, err
	})
	if err != nil {
		return err
	}
	e.st.Cursor, e.st.Done = s.next, s.done
	e.st.Rows += s.rows
	e.st.Passed += s.passed
	return e.out.commit(f)
}

// retry calls f until it succeeds, fails for good, or GiveUp has passed.
func retry[T any](ctx context.Context, cfg *Config, f func() (T, error)) (T, error) {
	delays := cfg.backOff
	if delays == nil {
		exponential := backoff.NewExponentialBackOff()
		exponential.MaxInterval = 15 * time.Second
		delays = exponential
	}
	return backoff.Retry(ctx, func() (T, error) {
		v, err := f()
		if err != nil && ctx.Err() != nil {
			err = backoff.Permanent(ctx.Err())
		}
		return v, err
	}, backoff.WithBackOff(delays), backoff.WithMaxElapsedTime(cfg.GiveUp), backoff.WithNotify(cfg.Waiting))
}

func (e *exporting) failed(err error) error {
	return fmt.Errorf("exporting %s: %w", e.cfg.Table, err)
}

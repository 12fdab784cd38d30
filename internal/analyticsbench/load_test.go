package main

import (
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse"
	"github.com/posthorn/posthorn/schemas"
)

// What is loaded is in the tables, each event once, the tail holds what comes
// after, and a copy of the directory is one that can be changed.
func TestLoad(t *testing.T) {
	if _, err := clickhouse.Fetch(t.Context(), clickhouse.FetchConfig{}); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	spec := loadSpec{Seed: 5, Events: 20_000, Tail: 5_000, Days: 60}
	if err := load(t.Context(), dir, spec); err != nil {
		t.Fatal(err)
	}
	m, err := readManifest(dir)
	if err != nil || m == nil || m.Load != spec || m.Records[schemas.TopicEvents] == 0 {
		t.Fatalf("%+v %v", m, err)
	}
	tail, err := openTail(filepath.Join(dir, "tail"))
	if err != nil {
		t.Fatal(err)
	}
	defer tail.close()
	later := int64(0)
	for {
		n, _, err := tail.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		later += n
	}
	if later != spec.Tail {
		t.Errorf("a tail of %d events", later)
	}

	work := filepath.Join(t.TempDir(), "work")
	if err := cloneEngine(filepath.Join(dir, "clickhouse"), work); err != nil {
		t.Fatal(err)
	}
	e, err := openEngine(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	var rows, ids uint64
	var opens, counted int64
	if err := e.conn.QueryRow(t.Context(), `SELECT count(), uniqExact(event_id), toInt64(countIf(type = 'opened')) FROM events`).Scan(&rows, &ids, &opens); err != nil {
		t.Fatal(err)
	}
	if rows != ids || int64(rows) != m.Records[schemas.TopicEvents] {
		t.Errorf("%d rows of %d events, %d were produced", rows, ids, m.Records[schemas.TopicEvents])
	}
	if err := e.conn.QueryRow(t.Context(), `SELECT sum(opens) FROM breakdowns WHERE dimension = 'tenant' AND basis = 'lifetime'`).Scan(&counted); err != nil {
		t.Fatal(err)
	}
	if opens == 0 || counted != opens {
		t.Errorf("breakdowns count %d opens, there are %d", counted, opens)
	}
	s, err := measureStorage(t.Context(), e.conn)
	if err != nil {
		t.Fatal(err)
	}
	if s.Events != float64(rows) || s.Total <= 0 || len(s.Tables) < 5 {
		t.Errorf("%+v", s)
	}
	if err := e.conn.Exec(t.Context(), `TRUNCATE TABLE events`); err != nil {
		t.Fatal(err)
	}
	if err := e.close(); err != nil {
		t.Fatal(err)
	}
	if e, err = openEngine(t.Context(), filepath.Join(dir, "clickhouse")); err != nil {
		t.Fatal(err)
	}
	defer e.close()
	var left uint64
	if err := e.conn.QueryRow(t.Context(), `SELECT count() FROM events`).Scan(&left); err != nil || left != rows {
		t.Errorf("what was loaded has %d rows once its copy has none: %v", left, err)
	}
}

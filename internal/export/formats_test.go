package export

import (
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
)

func TestCSVReadBack(t *testing.T) {
	dsn, _ := filled(t, 300)
	_, text := exported(t, Config{Table: "events", Format: CSV, DSN: dsn, Out: filepath.Join(t.TempDir(), "x.csv"), ChunkRows: 17, Columns: []string{"kafka_offset", "received_at", "description", "tags"}})
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 301 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		seen[row[0]] = true
		if at, err := time.Parse(time.RFC3339, row[1]); err != nil || at.Before(epoch) || row[2] != "a \"quoted\", line\nand é "+row[0] || row[3] != "['x','y,z']" {
			t.Fatalf("%q: %v", row, err)
		}
	}
	if len(seen) != 300 {
		t.Errorf("%d distinct rows", len(seen))
	}
}

func TestNullIsEmptyInCSV(t *testing.T) {
	dsn, _ := filled(t, 400)
	_, text := exported(t, Config{Table: "messages", Format: CSV, DSN: dsn, Out: filepath.Join(t.TempDir(), "x.csv"), Columns: []string{"outcome", "first_opened_at", "open_delay_ms"}})
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 201 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		_, err := time.Parse(time.RFC3339, row[1])
		if opened := row[0] == "opened"; opened != (err == nil) || !opened && row[1] != "" || row[2] != "" {
			t.Fatalf("%q", row)
		}
	}
}

func TestNDJSONReadBack(t *testing.T) {
	dsn, _ := filled(t, 300)
	_, text := exported(t, Config{Table: "events", Format: NDJSON, DSN: dsn, Out: filepath.Join(t.TempDir(), "x.ndjson"), ChunkRows: 17})
	n := 0
	for dec := json.NewDecoder(strings.NewReader(text)); ; n++ {
		var row struct {
			Offset      int64    `json:"kafka_offset"`
			Description string   `json:"description"`
			Tags        []string `json:"tags"`
		}
		if err := dec.Decode(&row); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if row.Description != fmt.Sprintf("a \"quoted\", line\nand é %d", row.Offset) || len(row.Tags) != 2 {
			t.Fatalf("%+v", row)
		}
	}
	if n != 300 {
		t.Errorf("%d rows", n)
	}
}

func TestParquetReadBack(t *testing.T) {
	dsn, conn := filled(t, 1000)
	for _, c := range []struct {
		table string
		chunk int64
		rows  uint64
	}{{"events", 60, 1000}, {"events", 0, 1000}, {"messages", 60, 500}, {"triggers", 60, 0}} {
		t.Run(fmt.Sprint(c.table, c.chunk), func(t *testing.T) {
			out := t.TempDir()
			cfg := Config{Table: c.table, Format: Parquet, DSN: dsn, Out: out, ChunkRows: c.chunk}
			kills := broken(t, cfg, rand.New(rand.NewPCG(uint64(c.chunk), 2)))
			names, err := filepath.Glob(filepath.Join(out, "*"))
			if err != nil || len(names) == 0 || c.chunk > 0 && c.rows > 0 && len(names) < int(c.rows)/60 {
				t.Fatalf("files %v, %v", names, err)
			}
			// The files go back into a table of the same form, in the order of columns.
			if err := conn.Exec(t.Context(), "CREATE OR REPLACE TABLE back AS "+c.table+" ENGINE = MergeTree ORDER BY tuple()"); err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if !strings.HasSuffix(name, ".parquet") {
					t.Errorf("%s is left", name)
				}
				put(t, dsn, name)
			}
			var n, apart uint64
			key := "event_id"
			if c.table == "messages" {
				key = "(account, message_id)"
			}
			if c.table == "triggers" {
				key = "trigger_id"
			}
			if err := conn.QueryRow(t.Context(), "SELECT count(), uniqExact("+key+") FROM back").Scan(&n, &apart); err != nil || n != c.rows || apart != c.rows {
				t.Errorf("%d rows with %d keys after %d kills, want %d: %v", n, apart, kills, c.rows, err)
			}
			if c.table != "events" {
				return
			}
			if err := conn.QueryRow(t.Context(), "SELECT count() FROM (SELECT * FROM back EXCEPT SELECT * FROM events)").Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows differ: %v", n, err)
			}
		})
	}
}

// put inserts a Parquet file into the table back.
func put(t *testing.T, dsn, name string) {
	t.Helper()
	db, err := openDatabase(dsn)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	to := db.base
	to.RawQuery = url.Values{"database": {db.name}, "query": {"INSERT INTO back FORMAT Parquet"}}.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to.String(), f)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-ClickHouse-User", db.user)
	req.Header.Set("X-ClickHouse-Key", db.password)
	resp, err := db.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("inserting %s: %s", name, text)
	}
}

// faultEvery is so rare that between two faults a slice can be found and written.
const faultEvery = 11

// faulty stands before ClickHouse: some queries fail, before their answer, in the
// middle of it, or at its end as an exception in the body.
func faulty(t *testing.T, dsn string) (front string, faults *atomic.Int64) {
	t.Helper()
	faults = new(atomic.Int64)
	db, err := openDatabase(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var queries atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := db.base
		to.RawQuery = r.URL.RawQuery
		req, err := http.NewRequestWithContext(r.Context(), r.Method, to.String(), r.Body)
		if err != nil {
			panic(err)
		}
		req.Header = r.Header.Clone()
		resp, err := db.client.Do(req)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		kind := int64(0)
		if n := queries.Add(1); n%faultEvery == 0 {
			kind = 1 + n/faultEvery%3
			faults.Add(1)
		}
		tag := hex.EncodeToString([]byte("tagtagta"))
		w.Header().Set("X-ClickHouse-Exception-Tag", tag)
		switch kind {
		case 1:
			http.Error(w, "Code: 241. DB::Exception: memory limit exceeded", http.StatusInternalServerError)
			return
		case 2:
			w.Header().Set("Content-Length", fmt.Sprint(len(body)+1))
			_, _ = w.Write(body[:len(body)/2])
			panic(http.ErrAbortHandler)
		case 3:
			body = append(body[:len(body)/2], "\r\n__exception__\r\n"+tag+"\r\nCode: 241\n10 "+tag+"\r\n__exception__\r\n"...)
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = strings.TrimPrefix(server.URL, "http://")
	return u.String(), faults
}

func TestFailuresInTheMiddle(t *testing.T) {
	dsn, _ := filled(t, 600)
	dir := t.TempDir()
	_, want := exported(t, Config{Table: "events", Format: CSV, DSN: dsn, Out: filepath.Join(dir, "want")})
	front, faults := faulty(t, dsn)
	cfg := Config{Table: "events", Format: CSV, DSN: front, Out: filepath.Join(dir, "got"), ChunkRows: 10, backOff: &backoff.ZeroBackOff{}}
	r, got := exported(t, cfg)
	if got != want || r.Rows != 600 || faults.Load() < 5 {
		t.Errorf("%d rows after %d faults, %d bytes and not %d", r.Rows, faults.Load(), len(got), len(want))
	}
}

func TestGoneDatabaseKeepsTheState(t *testing.T) {
	dsn, _ := filled(t, 600)
	dir := t.TempDir()
	_, want := exported(t, Config{Table: "events", Format: CSV, DSN: dsn, Out: filepath.Join(dir, "want")})
	front, _ := faulty(t, dsn)
	cfg := Config{Table: "events", Format: CSV, DSN: front, Out: filepath.Join(dir, "got"), ChunkRows: 30, GiveUp: time.Nanosecond}
	var failures int
	for ; ; failures++ {
		if _, err := Run(t.Context(), cfg); err == nil {
			break
		} else if failures > 1000 {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(cfg.Out); err != nil || string(got) != want || failures == 0 {
		t.Errorf("after %d failures %d bytes, want %d (%v)", failures, len(got), len(want), err)
	}
}

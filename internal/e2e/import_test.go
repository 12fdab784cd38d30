package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestImport: an import of year-old opens is killed, goes on, and is done a second
// time: every event is there once, and nobody is called; by an open of now, one is.
func TestImport(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	const messages = 30_000
	a := startUp(t)
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache) // where an import keeps how far it is
	path := filepath.Join(t.TempDir(), "opens.ndjson")
	writeOpens(t, path, messages, time.Now().AddDate(-1, 0, 0))
	args := []string{"import", "--config", a.config, path}

	first := start(t, "import", args...)
	began := time.Now()
	for {
		if left, _ := filepath.Glob(filepath.Join(cache, "posthorn", "imports", "*.json")); len(left) > 0 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal("no chunk was posted")
		}
		<-time.After(time.Millisecond)
	}
	first.kill()
	out, err := run(t, 2*time.Minute, args...)
	if err != nil || !strings.Contains(out, fmt.Sprintf("%d events imported, 0 not accepted", 2*messages)) || !strings.Contains(out, "by an import before this one") {
		t.Fatalf("going on: %v\n%s", err, out)
	}
	if out, err = run(t, 2*time.Minute, args...); err != nil {
		t.Fatalf("importing again: %v\n%s", err, out)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	postNative(t, a.gateway, "own-sender", `{"type":"delivered","recipient":"new@example.com","message_id":"new","occurred_at":"`+now+`"}
{"type":"opened","recipient":"new@example.com","message_id":"new","occurred_at":"`+now+`"}`)

	eventually(t, 3*time.Minute, "waiting for the callback of the new open", func() error {
		if n := a.shop.Stats().Unique; n != 1 {
			return fmt.Errorf("%d callbacks", n)
		}
		return nil
	})
	var events, different uint64
	eventually(t, 3*time.Minute, "waiting for the events", func() error {
		if err := a.conn.QueryRow(t.Context(), "SELECT count(), uniqExact(event_id) FROM events").Scan(&events, &different); err != nil {
			return err
		}
		if different < 2*messages+2 {
			return fmt.Errorf("%d events", different)
		}
		return nil
	})
	if events != 2*messages+2 || different != events {
		t.Errorf("%d events, %d different, want %d", events, different, 2*messages+2)
	}
	eventually(t, 3*time.Minute, "waiting for the triggers", func() error {
		var expired, others uint64
		if err := a.conn.QueryRow(t.Context(), "SELECT countIf(status = 'expired'), countIf(status != 'expired') FROM triggers").Scan(&expired, &others); err != nil {
			return err
		}
		if expired != messages || others != 1 {
			return fmt.Errorf("%d triggers expired, want %d, and %d did not, want 1", expired, messages, others)
		}
		return nil
	})
	if n := a.shop.Stats().Unique; n != 1 {
		t.Errorf("%d callbacks were made", n)
	}
}

// writeOpens writes messages that were opened an hour after their delivery, without
// ids of their events.
func writeOpens(t *testing.T, path string, messages int, at time.Time) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range messages {
		for kind, late := range map[string]time.Duration{"delivered": 0, "opened": time.Hour} {
			fmt.Fprintf(w, `{"type":%q,"recipient":"r%d@example.com","message_id":"m%d","campaign_id":"old","occurred_at":%d}`+"\n", kind, i, i, at.Add(late).Unix())
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// postNative posts events, an object a line, with the key of a source of the
// provider native.
func postNative(t *testing.T, gateway, key, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+gateway+"/v1/events", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("posting: %s", resp.Status)
	}
}

package importer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthorn/posthorn/ingest"
	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/schemas"
)

// kept is a producer that keeps what it is given.
type kept struct {
	serde *schemas.Serde
	mu    sync.Mutex
	hooks []schemas.Webhook
}

func (k *kept) Produce(_ context.Context, rec *kgo.Record, promise func(*kgo.Record, error)) {
	var h schemas.Webhook
	err := k.serde.Decode(bytes.Clone(rec.Value), &h)
	k.mu.Lock()
	k.hooks = append(k.hooks, h)
	k.mu.Unlock()
	promise(rec, err)
}

func (k *kept) Flush(context.Context) error { return nil }

func (k *kept) Request(context.Context, kmsg.Request) (kmsg.Response, error) {
	return nil, http.ErrNotSupported
}

// events counts what was stored, and the different ones of it.
func (k *kept) events(t *testing.T) (stored int, ids map[schemas.ID]schemas.Event) {
	t.Helper()
	ids = map[schemas.ID]schemas.Event{}
	for _, h := range k.hooks {
		provider.Native{}.Decode(&h, func(_ int, ev *schemas.Event, err error) {
			if err != nil {
				t.Errorf("what was accepted can't be read: %v", err)
				return
			}
			stored++
			ids[ev.EventID] = *ev
		})
	}
	return stored, ids
}

// gateway serves a gateway of its own; before, where set, sees each request first, and
// may answer it.
func gateway(t *testing.T, before func(n int, w http.ResponseWriter, r *http.Request) bool) (*kept, Config) {
	t.Helper()
	k := &kept{serde: schemas.NewLocalSerde()}
	g, err := ingest.New(ingest.Config{Producer: k, Serde: k.serde, Sources: []ingest.Source{
		{Name: "shop", Tenant: "acme", Provider: provider.Native{}, Credentials: provider.Credentials{Keys: []string{"token"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		if before == nil || !before(n, w, r) {
			g.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return k, Config{URL: server.URL + "/v1/events", Token: "token", StateDir: filepath.Join(t.TempDir(), "imports"), GiveUp: 10 * time.Second}
}

var yearAgo = time.Now().AddDate(-1, 0, 0).Truncate(time.Second).UTC()

// opens are opens of a year ago that have no id of their own; two in a row say the same.
func opens(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"type":"opened","recipient":"r%d@example.com","message_id":"m%d","occurred_at":"%s"}`+"\n", i/2, i/2, yearAgo.Format(time.RFC3339))
	}
	return b.String()
}

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	var b bytes.Buffer
	w := io.Writer(&b)
	var end io.Closer
	switch filepath.Ext(name) {
	case ".gz":
		z := gzip.NewWriter(&b)
		w, end = z, z
	case ".zst":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w, end = z, z
	}
	_, _ = io.WriteString(w, text)
	if end != nil {
		end.Close()
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestForms(t *testing.T) {
	at := yearAgo.Format(time.RFC3339)
	var avroFile bytes.Buffer
	w, err := ocf.NewWriter(&avroFile, avro.MustParse(`{"type":"record","name":"E","fields":[{"name":"type","type":"string"},{"name":"email","type":"string"},{"name":"time","type":{"type":"long","logicalType":"timestamp-millis"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Encode(map[string]any{"type": "opened", "email": "a@example.com", "time": yearAgo}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	table := "type,email,time,tags\nopened,a@example.com," + at + ",\"[\"\"x\"\",\"\"y\"\"]\"\n"
	for name, text := range map[string]string{
		"e.ndjson": opens(1), "e.jsonl.gz": opens(1), "e.ndjson.zst": opens(1), "e.json": "[\n" + strings.ReplaceAll(opens(1), ",", ",\n") + "]", "e": opens(1),
		"e.csv": table, "e.csv.gz": table, "e.avro": avroFile.String(),
	} {
		k, cfg := gateway(t, nil)
		r, err := File(t.Context(), written(t, name, text), cfg)
		if err != nil || r.Accepted != 1 || r.Rejected != 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
			continue
		}
		_, ids := k.events(t)
		for _, ev := range ids {
			if !ev.OccurredAt.Time().Equal(yearAgo) || ev.Type != schemas.EventTypeOpened || ev.RecipientDomain != "example.com" {
				t.Errorf("%s: %+v", name, ev)
			}
			if strings.HasPrefix(name, "e.csv") && !slices.Equal(ev.Tags, []string{"x", "y"}) {
				t.Errorf("%s: tags %q", name, ev.Tags)
			}
		}
	}
}

// TestBrokenOff: an import is killed between two chunks and in the middle of one, goes
// on, and in the end every event is there once, two that say the same twice.
func TestBrokenOff(t *testing.T) {
	const events = 3*chunkEvents + 1234
	path := written(t, "opens.ndjson.gz", opens(events))
	ctx, cancel := context.WithCancel(t.Context())
	k, cfg := gateway(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n != 2 {
			return false
		}
		// The chunk is stored, but the importer does not live to hear of it.
		cancel()
		return false
	})
	if _, err := File(ctx, path, cfg); err == nil {
		t.Fatal("the import has not noticed that it was stopped")
	}
	if _, err := os.ReadDir(cfg.StateDir); err != nil {
		t.Fatal(err)
	}
	r, err := File(t.Context(), path, cfg)
	if err != nil || r.Accepted != events || r.Resumed != chunkEvents {
		t.Fatalf("%+v, %v", r, err)
	}
	if left, _ := os.ReadDir(cfg.StateDir); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	// Done again from the beginning, and by a gateway that remembers nothing.
	again, other := gateway(t, nil)
	if r, err = File(t.Context(), path, other); err != nil || r.Accepted != events || r.Resumed != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	stored, ids := k.events(t)
	if len(ids) != events {
		t.Errorf("%d different events of %d that are stored, want %d", len(ids), stored, events)
	}
	_, same := again.events(t)
	for id := range same {
		if _, ok := ids[id]; !ok {
			t.Fatal("imported again, an event is another one")
		}
	}
}

func TestGatewayThatFails(t *testing.T) {
	const events = 2 * chunkEvents
	k, cfg := gateway(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 3: // half a chunk arrives
			_, _ = io.CopyN(io.Discard, r.Body, 100_000)
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	})
	r, err := File(t.Context(), written(t, "opens.ndjson", opens(events)), cfg)
	if err != nil || r.Accepted != events {
		t.Fatalf("%+v, %v", r, err)
	}
	if stored, ids := k.events(t); len(ids) != events || stored != events {
		t.Errorf("%d events, %d different", stored, len(ids))
	}
	cfg.Token = "other"
	if _, err := File(t.Context(), written(t, "opens.ndjson", opens(1)), cfg); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("with another token: %v", err)
	}
}

func TestFaults(t *testing.T) {
	var lines []string
	for i, text := range strings.SplitAfter(opens(chunkEvents+100), "\n") {
		switch i {
		case 10:
			text = "{}\n"
		case 11:
			text = "\n"
		case 12:
			text = strings.Repeat("x", 2<<20) + "\n"
		case chunkEvents + 50:
			text = `{"type":"opend","recipient":"a@b","occurred_at":1,"colour":1}` + "\n"
		}
		lines = append(lines, text)
	}
	path := written(t, "opens.ndjson", strings.Join(lines, ""))
	k, cfg := gateway(t, nil)
	r, err := File(t.Context(), path, cfg)
	if err != nil || r.Rejected != 3 || r.Accepted != chunkEvents+96 || r.Unit != "line" || !slices.Equal(r.Ignored, []string{"colour"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	cfg.DryRun = true
	dry, err := File(t.Context(), path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(r)
	b, _ := json.Marshal(dry)
	if string(a) != string(b) {
		t.Errorf("imported %s\nchecked  %s", a, b)
	}
	numbers := map[int64]string{}
	for _, f := range r.Faults {
		numbers[f.Number] += f.Field + " " + f.Reason + ";"
	}
	want := map[int64]string{11: "type missing_field;recipient missing_field;occurred_at missing_field;", 13: " too_large;", chunkEvents + 51: "type bad_field;occurred_at bad_field;"}
	if fmt.Sprint(numbers) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", numbers, want)
	}
	if stored, _ := k.events(t); stored != chunkEvents+96 {
		t.Errorf("%d are stored", stored)
	}
}

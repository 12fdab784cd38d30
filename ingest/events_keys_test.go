package ingest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
)

// TestRepeatedUploadIsCountedOnce: events get their identity from the key, whatever
// gateway an upload reaches, and without a key from what they say.
func TestRepeatedUploadIsCountedOnce(t *testing.T) {
	c := cluster(t)
	at := time.Now().Add(-time.Minute).Unix()
	same := fmt.Sprintf(`{"type":"opened","recipient":"a@example.com","occurred_at":%d}`+"\n", at)
	own := fmt.Sprintf(`{"type":"opened","recipient":"a@example.com","occurred_at":%d,"event_id":"e1"}`+"\n", at)
	// Two opens that say the same are two; those that are refused leave no trace.
	body := same + "{}\n" + strings.Repeat("\n", 2000) + strings.Repeat(same, 700) + own
	ids := map[string]bool{}
	post := func(key string) uploadAnswer {
		g := uploadGateway(t, producer(t, c), nil) // one that remembers nothing
		a, _ := uploadOf(t, g, uploadRequest(strings.NewReader(body), "Content-Type", "application/x-ndjson", "Idempotency-Key", key))
		return a
	}
	for _, key := range []string{`"k1"`, "k1"} {
		if a := post(key); a.Status != 422 || a.Accepted != 702 || a.Rejected != 1 {
			t.Fatalf("%+v", a)
		}
	}
	for _, id := range decodedEvents(t, stored(t, c)) {
		ids[id] = true
	}
	if len(ids) != 702 {
		t.Errorf("%d events, want 702 of two uploads", len(ids))
	}
	post("k2")
	all := slices.Compact(decodedEvents(t, stored(t, c)))
	if len(all) != 702+701 { // all but the one with an id of its own
		t.Errorf("%d events with another key, want %d", len(all), 702+701)
	}
}

func TestIdempotencyKeyIsRemembered(t *testing.T) {
	s := &sink{}
	g := uploadGateway(t, s, nil)
	post := func(key string, body io.Reader) uploadAnswer {
		t.Helper()
		a, _ := uploadOf(t, g, uploadRequest(body, "Content-Type", "application/x-ndjson", "Idempotency-Key", key))
		return a
	}
	first := post("k", strings.NewReader(natives(3)))
	again, h := uploadOf(t, g, uploadRequest(strings.NewReader(natives(3)), "Content-Type", "application/x-ndjson", "Idempotency-Key", "k"))
	if first.Status != 200 || fmt.Sprint(first) != fmt.Sprint(again) || h.Get("Idempotent-Replayed") != "true" {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if n := s.records.Load(); n != 1 {
		t.Errorf("%d webhooks are stored", n)
	}
	for name, other := range map[string]string{"longer": natives(4), "shorter": natives(2), "as long": strings.Replace(natives(3), "m1", "mX", 1)} {
		if a := post("k", strings.NewReader(other)); a.Status != 422 || !strings.HasSuffix(a.Type, "idempotency-key-reused") {
			t.Errorf("another body, %s: %+v", name, a)
		}
		if a := post("k", io.MultiReader(strings.NewReader(other))); a.Status != 422 || !strings.HasSuffix(a.Type, "idempotency-key-reused") {
			t.Errorf("another body, %s, of unknown length: %+v", name, a)
		}
	}
	if a := post("k2", strings.NewReader(natives(3))); a.Status != 200 || s.records.Load() != 2 {
		t.Errorf("another key: %+v", a)
	}

	// What was refused by faults of its own is remembered, what was cut off is not.
	if a := post("bad", strings.NewReader("{}\n")); a.Status != 422 {
		t.Errorf("%+v", a)
	}
	if a := post("bad", strings.NewReader("{}\n")); a.Status != 422 || !strings.HasSuffix(a.Type, "bad-events") || len(a.Errors) == 0 {
		t.Errorf("%+v", a)
	}
	if a := post("cut", io.MultiReader(strings.NewReader(native(0)+"\n"), broken{})); a.Status != 400 || a.Accepted != 1 {
		t.Errorf("%+v", a)
	}
	if a := post("cut", strings.NewReader(native(0)+"\n")); a.Status != 200 {
		t.Errorf("%+v", a)
	}
}

func TestIdempotencyKeyInFlight(t *testing.T) {
	p := newHeld()
	g := uploadGateway(t, p, nil)
	done := make(chan uploadAnswer, 1)
	go func() {
		a, _ := uploadOf(t, g, uploadRequest(strings.NewReader(native(0)), "Content-Type", "application/json", "Idempotency-Key", "k"))
		done <- a
	}()
	<-p.arrived
	a, h := uploadOf(t, g, uploadRequest(strings.NewReader(native(0)), "Content-Type", "application/json", "Idempotency-Key", "k"))
	if a.Status != 409 || h.Get("Retry-After") == "" {
		t.Errorf("%+v", a)
	}
	p.finish(nil)
	if a := <-done; a.Status != 200 {
		t.Errorf("%+v", a)
	}
}

func TestRememberedUploadsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUploads()
		body := func() *pacedBody { return &pacedBody{sum: sha256.New()} }
		for i := range 3 * rememberedUploads {
			key := fmt.Sprint(i)
			if e, p := u.begin("shop", key); e != nil || p != nil {
				t.Fatal(e, p)
			}
			u.end("shop", key, &uploaded{}, body())
		}
		s := u.sources["shop"]
		if len(s.done) != rememberedUploads || len(s.order) != rememberedUploads || len(s.flying) != 0 {
			t.Errorf("%d and %d are remembered", len(s.done), len(s.order))
		}
		last := fmt.Sprint(3*rememberedUploads - 1)
		if e, _ := u.begin("shop", last); e == nil {
			t.Error("the last one is forgotten")
		}
		if e, _ := u.begin("other", last); e != nil {
			t.Error("one source knows another's")
		}
		time.Sleep(uploadMemory)
		if e, _ := u.begin("shop", last); e != nil {
			t.Error("remembered for too long")
		}
		u.end("shop", last, &uploaded{}, body())
		if len(s.done) != rememberedUploads || len(s.order) != rememberedUploads {
			t.Errorf("%d and %d are remembered", len(s.done), len(s.order))
		}
	})
}

func TestSourcesOfOneToken(t *testing.T) {
	credentials := provider.Credentials{Keys: []string{"same"}}
	_, err := New(Config{Serde: serde, Producer: newHeld(), Sources: []Source{
		{Name: "a", Provider: provider.Native{}, Credentials: credentials}, {Name: "b", Provider: provider.Native{}, Credentials: credentials},
	}})
	if err == nil || !strings.Contains(err.Error(), `source "a" too`) {
		t.Error(err)
	}
	if _, err = New(Config{Serde: serde, Producer: newHeld(), Sources: []Source{{Name: "a", Provider: provider.Native{}}}}); err == nil || !strings.Contains(err.Error(), "key: is missing") {
		t.Error(err)
	}
}

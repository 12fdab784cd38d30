package provider

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// hook is a webhook of a provider.
func hook(p Provider, contentType, body string) *schemas.Webhook {
	return &schemas.Webhook{
		ID: schemas.ID{7}, Tenant: "acme", Account: "shop", Source: p.Name() + "-1", Provider: p.Name(),
		ReceivedAt: received, ContentType: contentType, Body: []byte(body),
	}
}

// outcomes are what Decode yields, in order; what can't be placed is refused.
func outcomes(t testing.TB, p Provider, w *schemas.Webhook) (all []decoded) {
	t.Helper()
	p.Decode(w, func(i int, ev *schemas.Event, err error) {
		d := decoded{index: i}
		if (ev == nil) == (err == nil) {
			t.Fatalf("%s: yielded event %v and error %v", w.Body, ev, err)
		}
		if err == nil {
			err = Placeable(ev)
		}
		switch {
		case err != nil:
			if !errors.As(err, &d.err) {
				t.Fatalf("%s: error is a %T", w.Body, err)
			}
		default:
			d.event = *ev
		}
		all = append(all, d)
	})
	return all
}

// unplaced are the events of a body, whether or not they can be placed.
func unplaced(t testing.TB, p Provider, body string) (all []schemas.Event) {
	t.Helper()
	p.Decode(hook(p, "", body), func(i int, ev *schemas.Event, err error) {
		if err != nil {
			t.Fatalf("%s: element %d: %v", body, i, err)
		}
		all = append(all, *ev)
	})
	return all
}

// events are the outcomes of a webhook of which nothing may be refused.
func events(t testing.TB, p Provider, w *schemas.Webhook) (all []schemas.Event) {
	t.Helper()
	for _, d := range outcomes(t, p, w) {
		if d.err != nil {
			t.Fatalf("%s: element %d: %v", w.Body, d.index, d.err)
		}
		all = append(all, d.event)
	}
	return all
}

// samples reads the published payloads of a kind, by file name; where they are
// not beside this repository the test is skipped.
func samples(t *testing.T, kind string) map[string]string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "fixtures", kind, "*"))
	if len(files) == 0 {
		t.Skip("the published samples are not beside this repository")
	}
	all := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = string(b)
	}
	return all
}

package provider

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/posthorn/posthorn/schemas"
)

func gzipped(t *testing.T, size int64, with byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte{with}, 1<<20)
	for ; size > 0; size -= int64(len(chunk)) {
		if _, err := w.Write(chunk[:min(size, int64(len(chunk)))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestUnpack(t *testing.T) {
	packed := gzipped(t, 100, 'x')
	plain := strings.Repeat("x", 100)
	for _, c := range []struct {
		name, encoding, body string
		want                 string // "" for a refusal
	}{
		{"plain", "", plain, plain},
		{"identity", "identity", plain, plain},
		{"gzip", "gzip", string(packed), plain},
		{"gzip that nobody told of", "", string(packed), plain},
		{"told, but unpacked on the way", "GZIP", plain, plain},
		{"another, unpacked on the way", "br", plain, plain},
		{"another", "br", "\x8b\xff\x00", ""},
		{"cut", "gzip", string(packed[:len(packed)-6]), ""},
		{"begins like gzip", "gzip", "\x1f\x8bno", ""},
	} {
		w := &schemas.Webhook{Body: []byte(c.body), Headers: map[string]string{"content-encoding": c.encoding}}
		got, err := Unpack(w)
		var refused *Error
		switch {
		case c.want == "" && (!errors.As(err, &refused) || refused.Reason != ReasonBadEncoding || refused.Detail == ""):
			t.Errorf("%s: %v, %v, want a refusal", c.name, got, err)
		case c.want != "" && (err != nil || string(got.Body) != c.want):
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
		if string(w.Body) != c.body {
			t.Errorf("%s: the webhook was changed", c.name)
		}
	}
}

// TestBombIsBounded unpacks half a megabyte that would become half a gigabyte.
func TestBombIsBounded(t *testing.T) {
	bomb := gzipped(t, 512<<20, '[')
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Unpack(&schemas.Webhook{Body: bomb})
	runtime.ReadMemStats(&after)
	var refused *Error
	if !errors.As(err, &refused) || refused.Reason != ReasonBadEncoding {
		t.Errorf("%d bytes: %v", len(bomb), err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*maxUnpacked {
		t.Errorf("%d bytes were allocated for it", used)
	}
}

package dashboard

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestDocument(t *testing.T) {
	w := get(t, "/")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self';", "img-src 'self' data:;", "frame-ancestors 'none'"} {
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	if again := get(t, "/", "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("what is known is answered %d", again.Code)
	}
	// All that the document names is there, and kept for ever.
	named := regexp.MustCompile(`(?:href|src)="(dashboard/[^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1)
	if len(named) < 5 {
		t.Fatalf("the document names %v", named)
	}
	for _, m := range named {
		if w := get(t, "/"+m[1]); w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", m[1], w.Code, w.Header())
		}
	}
}

func TestFiles(t *testing.T) {
	for path, code := range map[string]int{
		"/dashboard/": 404, "/dashboard/" + load().version + "/": 404, "/dashboard/" + load().version + "/../pages.go": 404,
		"/dashboard/0000000000000000/main.js": 404, "/dashboard/" + load().version + "/main.js": 200, "/dashboard/" + load().version + "/vendor/uplot/LICENSE": 200,
	} {
		if w := get(t, path); w.Code != code {
			t.Errorf("%s: %d, want %d", path, w.Code, code)
		}
	}
	path := "/dashboard/" + load().version + "/main.js"
	plain := get(t, path).Body.Bytes()
	for accept, packed := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "br": false, "": false} {
		w := get(t, path, "Accept-Encoding", accept)
		body := io.Reader(w.Body)
		if (w.Header().Get("Content-Encoding") == "gzip") != packed {
			t.Errorf("Accept-Encoding %q: %v", accept, w.Header())
			continue
		}
		if packed {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("Accept-Encoding %q: %d bytes, want %d: %v", accept, len(got), len(plain), err)
		}
	}
}

// TestSize: all together must be fast to load on a phone.
func TestSize(t *testing.T) {
	sum := len(load().index.packed)
	for path, f := range load().byPath {
		if !strings.HasSuffix(path, "LICENSE") {
			sum += len(f.packed)
		}
	}
	t.Logf("%d bytes compressed", sum)
	if sum > 150_000 {
		t.Errorf("%d bytes compressed, want at most 150,000", sum)
	}
}

// TestAssets: our own files do nothing that the policy would have to forbid, and
// what makes markup of text is not in them.
func TestAssets(t *testing.T) {
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\("style"|\bstyle: |javascript:`)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?:[^>]*)>[^<]`)
	outside := regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]`)
	for path, f := range load().byPath {
		if strings.HasPrefix(path, "vendor/") {
			continue
		}
		text := strings.ReplaceAll(string(f.plain), "http://www.w3.org/2000/svg", "")
		if found := forbidden.FindString(text); found != "" && strings.HasSuffix(path, ".js") {
			t.Errorf("%s has %s", path, found)
		}
		if found := outside.FindString(text); found != "" {
			t.Errorf("%s leads to %s", path, found)
		}
	}
	if found := inline.FindString(string(load().index.plain)); found != "" {
		t.Errorf("index.html has %s", found)
	}
}

func TestFill(t *testing.T) {
	p := Places{Campaign: `<b>7"&'/..`, A: "a&b", B: "c,d", Recipient: "r", Now: time.Date(2026, 3, 1, 23, 0, 0, 0, time.FixedZone("", -3600))}
	for text, want := range map[string]string{
		"#/campaign/{campaign}?tz=UTC":    "#/campaign/%3Cb%3E7%22&%27%2F..?tz=UTC",
		"/v1/compare?campaigns={a}%2C{b}": "/v1/compare?campaigns=a%26b%2Cc%2Cd",
		"/v1/recipients/{recipient}":      "/v1/recipients/r",
		"/v1/series?since={since}&tz=UTC": "/v1/series?since=2026-02-01&tz=UTC",
	} {
		if got := p.Fill(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

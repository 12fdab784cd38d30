package links_test

import (
	"testing"

	"github.com/posthorn/posthorn/internal/links"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"https://a.b/c?x=1&y=2":       "https://a.b/c?x=1&y=2",
		"https://me:pw@a.b/c#frag":    "https://a.b/c",
		"https://a.b?mail=me%40x.y&k": "https://a.b?mail=-&k",
		"https://a.b/?t=0123456789abcdef0123456789abcdef0": "https://a.b/?t=-",
		"mailto:x": "mailto:x",
	} {
		if got := links.Redact(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

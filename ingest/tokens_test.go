package ingest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestTokensAreRememberedForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTokens(10)
		m.remember("a", "x", time.Now().Add(time.Minute))
		m.remember("a", "", time.Now().Add(time.Minute))
		for _, c := range []struct {
			source, token string
			want          bool
		}{{"a", "x", true}, {"b", "x", false}, {"a", "y", false}, {"a", "", false}, {"", "a\x00x", false}} {
			if got := m.known(c.source, c.token); got != c.want {
				t.Errorf("%q of %q: %v, want %v", c.token, c.source, got, c.want)
			}
		}
		time.Sleep(time.Minute)
		if m.known("a", "x") {
			t.Error("remembered for too long")
		}
	})
}

func TestTokensAreBounded(t *testing.T) {
	m := newTokens(10)
	until := time.Now().Add(time.Hour)
	for i := range 1000 {
		m.remember("a", fmt.Sprint(i), until)
		if n := len(m.young) + len(m.old); n > 20 {
			t.Fatalf("%d tokens", n)
		}
		for j := max(0, i-9); j <= i; j++ {
			if !m.known("a", fmt.Sprint(j)) {
				t.Fatalf("token %d is forgotten after %d", j, i)
			}
		}
	}
}

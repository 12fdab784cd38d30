package ingest

import (
	"crypto/sha256"
	"sync"
	"time"
)

// rememberedTokens is how many tokens a gateway remembers at least: those of half
// an hour at 100 signed webhooks a second.
const rememberedTokens = 200_000

// tokens remembers what came with webhooks that were stored, so that nobody can
// show it again. It forgets the oldest when there are too many; with several
// gateways each remembers its own. What slips through is deduplicated as events.
type tokens struct {
	limit int

	mu         sync.Mutex
	young, old map[tokenID]time.Time // until when
}

type tokenID [16]byte

func newTokens(limit int) *tokens {
	return &tokens{limit: limit, young: map[tokenID]time.Time{}, old: map[tokenID]time.Time{}}
}

func idOfToken(source, token string) tokenID {
	sum := sha256.Sum256([]byte(source + "\x00" + token))
	return tokenID(sum[:16])
}

// known tells whether a token was remembered and is not out of date. An empty one
// never is.
func (t *tokens) known(source, token string) bool {
	if token == "" {
		return false
	}
	id := idOfToken(source, token)
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.young[id]
	if !ok {
		until, ok = t.old[id]
	}
	return ok && time.Now().Before(until)
}

func (t *tokens) remember(source, token string, until time.Time) {
	if token == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.young) >= t.limit {
		t.young, t.old = map[tokenID]time.Time{}, t.young
	}
	t.young[idOfToken(source, token)] = until
}

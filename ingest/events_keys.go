package ingest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// What is remembered of each source's uploads, and for how long.
const (
	rememberedUploads = 1000
	uploadMemory      = 24 * time.Hour
	maxKeyLength      = 255
)

// idempotencyKey reads the header of draft-ietf-httpapi-idempotency-key-header: a
// string of structured fields, in quotes. Many senders leave these out.
func idempotencyKey(h http.Header) (string, *problem) {
	bad := func(detail string) *problem {
		return &problem{status: http.StatusBadRequest, slug: "idempotency-key", title: "Bad Idempotency-Key", detail: detail, hangUp: true}
	}
	all := h.Values("Idempotency-Key")
	if len(all) == 0 {
		return "", nil
	}
	key := strings.TrimSpace(all[0])
	if len(key) >= 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	switch {
	case len(all) > 1:
		return "", bad("there are several: send one for each upload")
	case key == "" || len(key) > maxKeyLength:
		return "", bad(fmt.Sprintf("it has %d characters: 1 to %d are taken, such as a UUID", len(key), maxKeyLength))
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }):
		return "", bad("only printable ASCII without quotes and backslashes is taken")
	}
	return key, nil
}

// uploads remembers the latest uploads that had a key: what is repeated is answered as
// it was, and not stored again. Each gateway has its own memory; what goes to another,
// or comes later, is stored again and counted once all the same, since events get
// their identity from the key.
type uploads struct {
	mu      sync.Mutex
	sources map[string]*sourceUploads
}

type sourceUploads struct {
	flying map[string]bool
	done   map[string]*earlierUpload
	order  []string // of done, the oldest first
}

// earlierUpload is one that is done.
type earlierUpload struct {
	answer uploaded
	sum    [sha256.Size]byte
	bytes  int64
	until  time.Time
}

func newUploads() *uploads { return &uploads{sources: map[string]*sourceUploads{}} }

// begin notes that an upload is in flight, which end ends; or returns the earlier one
// of its key.
func (u *uploads) begin(source, key string) (*earlierUpload, *problem) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.sources[source]
	if s == nil {
		s = &sourceUploads{flying: map[string]bool{}, done: map[string]*earlierUpload{}}
		u.sources[source] = s
	}
	if s.flying[key] {
		return nil, &problem{status: http.StatusConflict, slug: "in-flight", title: "Being uploaded", retryAfter: retryAfter, hangUp: true,
			detail: "an upload with this Idempotency-Key is under way: wait for its answer"}
	}
	if e := s.done[key]; e != nil && time.Now().Before(e.until) {
		return e, nil
	}
	s.flying[key] = true
	return nil, nil
}

// end notes what has become of an upload. One that was not complete is forgotten: it
// may be sent again.
func (u *uploads) end(source, key string, answer *uploaded, body *pacedBody) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.sources[source]
	delete(s.flying, key)
	if answer == nil || !answer.complete() {
		return
	}
	if s.done[key] == nil { // else it was out of date
		s.order = append(s.order, key)
	}
	if len(s.order) > rememberedUploads {
		delete(s.done, s.order[0])
		s.order = s.order[1:]
	}
	s.done[key] = &earlierUpload{answer: *answer, sum: [sha256.Size]byte(body.sum.Sum(nil)), bytes: body.n, until: time.Now().Add(uploadMemory)}
}

// repeatedUpload answers as before, if the body is the same. Only reading it tells.
func repeatedUpload(r *http.Request, body *pacedBody, earlier *earlierUpload) *uploaded {
	other := refused(&problem{status: http.StatusUnprocessableEntity, slug: "idempotency-key-reused", title: "Another upload had this key", hangUp: true,
		detail: "another body came with this Idempotency-Key before: take a new key for each upload"})
	if r.ContentLength >= 0 && r.ContentLength != earlier.bytes {
		return other
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(body, earlier.bytes+1)); err != nil {
		u := &uploaded{unit: "line", first: 1}
		u.ended = u.end(err)
		return u
	}
	if body.n != earlier.bytes || [sha256.Size]byte(body.sum.Sum(nil)) != earlier.sum {
		return other
	}
	u := earlier.answer
	u.repeated = true
	return &u
}

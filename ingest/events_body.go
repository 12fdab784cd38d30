package ingest

import (
	"errors"
	"hash"
	"io"
	"net/http"
	"os"
	"time"
)

// minUploadRate is the least speed of an upload on average, in bytes per second of
// waiting for it.
const minUploadRate = 1 << 10

var errTooSlow = errors.New("the upload came too slowly")

// pacedBody reads a request of any length under a deadline that moves on as it comes:
// the server's own bounds the whole of a request. A sender may pause for up to idle,
// and must come up to minUploadRate over all; only the time it is waited for counts.
type pacedBody struct {
	r       io.Reader
	control *http.ResponseController
	idle    time.Duration
	// before, where set, is called before the sender is waited for.
	before func()
	// sum, where set, digests what is read.
	sum hash.Hash

	length int64 // as the request says; -1: it does not
	n      int64
	waited time.Duration
}

func newPacedBody(w http.ResponseWriter, r *http.Request, idle time.Duration) *pacedBody {
	return &pacedBody{r: r.Body, control: http.NewResponseController(w), idle: idle, length: r.ContentLength}
}

func (p *pacedBody) Read(b []byte) (int, error) {
	if p.before != nil {
		p.before()
	}
	left := p.idle + time.Duration(p.n)*time.Second/minUploadRate - p.waited
	if left <= 0 {
		return 0, errTooSlow
	}
	start := time.Now()
	// An error tells that there is no connection, as in tests.
	_ = p.control.SetReadDeadline(start.Add(min(left, p.idle)))
	n, err := p.r.Read(b)
	p.waited += time.Since(start)
	p.n += int64(n)
	if p.sum != nil {
		p.sum.Write(b[:n])
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errTooSlow
	}
	return n, err
}

// finish leaves the connection without a deadline of the upload's: the server sets
// the next one.
func (p *pacedBody) finish() { _ = p.control.SetReadDeadline(time.Time{}) }

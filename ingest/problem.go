package ingest

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// problem is an answer other than 200, as of RFC 9457.
type problem struct {
	status     int
	slug       string // last part of the type
	title      string
	detail     string
	allow      string        // for 405
	challenge  string        // for 401
	retryAfter time.Duration // for 503
	hangUp     bool          // what remains of the request is not read
	accept     string        // encodings, for 415
	members    map[string]any
}

func (p *problem) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.retryAfter.Seconds())))
	}
	if p.accept != "" {
		h.Set("Accept-Encoding", p.accept)
	}
	if p.hangUp {
		h.Set("Connection", "close")
	}
	w.WriteHeader(p.status)
	// A caller that is gone can't be told.
	_ = json.NewEncoder(w).Encode(p.body(r.URL.Path))
}

// body is the problem as JSON: its own members, and what more it tells.
func (p *problem) body(instance string) any {
	if p.members == nil {
		return struct {
			Type     string `json:"type"`
			Title    string `json:"title"`
			Status   int    `json:"status"`
			Detail   string `json:"detail"`
			Instance string `json:"instance"`
		}{problemType + p.slug, p.title, p.status, p.detail, instance}
	}
	all := maps.Clone(p.members)
	all["type"], all["title"], all["status"], all["detail"], all["instance"] = problemType+p.slug, p.title, p.status, p.detail, instance
	return all
}

const problemType = "urn:posthorn:problem:"

// retryAfter is what a caller is told to wait. Mailjet tries again after 30 s
// whatever it is told.
const retryAfter = 5 * time.Second

func unavailable(slug, detail string) *problem {
	return &problem{status: http.StatusServiceUnavailable, slug: slug, title: "Not stored, send it again", detail: detail, retryAfter: retryAfter}
}

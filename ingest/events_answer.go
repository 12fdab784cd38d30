package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/ingest/upload"
	"github.com/posthorn/posthorn/schemas"
)

// What an answer lists at most.
const (
	maxUploadErrors = 100
	maxUploadIDs    = 100
)

// uploaded is what has become of an upload.
type uploaded struct {
	accepted, rejected int64 // events
	webhooks           int64
	ids                []schemas.ID // the first of them
	errors             []uploadError
	ignored            []string // fields that are none
	unit               string   // what lines and indexes are
	first              int64    // number of the first
	through            int64    // the last number up to which all that is good is stored
	began              bool     // through is set

	// ended is why the rest was not read, or not stored.
	ended *problem
	// repeated: this is the answer to an earlier request.
	repeated bool
}

// uploadError is one fault of one event.
type uploadError struct {
	Line   *int64 `json:"line,omitempty"`
	Index  *int64 `json:"index,omitempty"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

func refused(p *problem) *uploaded { return &uploaded{ended: p, unit: "line", first: 1} }

// reject notes an event that is not stored.
func (u *uploaded) reject(number int64, faults ...*provider.Error) {
	u.rejected++
	for _, f := range faults {
		u.note(number, f.Reason, f.Field, f.Detail)
	}
}

func (u *uploaded) note(number int64, reason, field, detail string) {
	if len(u.errors) == maxUploadErrors {
		return
	}
	e := uploadError{Field: strings.Clone(field), Reason: reason, Detail: detail}
	if u.unit == "line" {
		e.Line = &number
	} else {
		e.Index = &number
	}
	u.errors = append(u.errors, e)
}

// end tells of an upload that can't be read to its end.
func (u *uploaded) end(err error) *problem {
	var bad *upload.Error
	switch {
	case errors.Is(err, errTooSlow):
		return &problem{status: http.StatusRequestTimeout, slug: "too-slow", title: "Too slow", hangUp: true,
			detail: fmt.Sprintf("the upload came to a halt, or came with less than %d bytes a second: send it in several requests", minUploadRate)}
	case !errors.As(err, &bad):
		return &problem{status: http.StatusBadRequest, slug: "unreadable", title: "Unreadable body", detail: "the body ended early", hangUp: true}
	}
	u.note(bad.Number, bad.Reason, "", bad.Detail)
	p := &problem{status: http.StatusBadRequest, slug: "unreadable", title: "Unreadable from here on", detail: bad.Detail, hangUp: true}
	switch bad.Reason {
	case upload.ReasonBomb:
		p.status, p.slug, p.title = http.StatusRequestEntityTooLarge, "too-large", "Compressed too much"
	case upload.ReasonUnsupported:
		p.status, p.slug = http.StatusUnsupportedMediaType, "content-type"
	}
	return p
}

// complete tells whether the same request would be answered the same.
func (u *uploaded) complete() bool { return u.ended == nil }

// write answers and returns the status.
func (u *uploaded) write(w http.ResponseWriter, r *http.Request) int {
	if u.repeated {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	p := u.ended
	if p == nil && u.rejected > 0 {
		p = &problem{status: http.StatusUnprocessableEntity, slug: "bad-events", title: "Some events are not accepted",
			detail: fmt.Sprintf("%d events are stored, %d are not: mend those and send them again", u.accepted, u.rejected)}
	}
	members := map[string]any{"accepted": u.accepted}
	if len(u.ignored) > 0 {
		members["ignored_fields"] = u.ignored
	}
	if u.webhooks > 0 {
		members["webhooks"], members["webhook_ids"] = u.webhooks, u.ids
	}
	if p == nil {
		w.Header()["Content-Type"] = jsonType
		// A caller that is gone sends again.
		_ = json.NewEncoder(w).Encode(members)
		return http.StatusOK
	}
	members["rejected"] = u.rejected
	if len(u.errors) > 0 {
		members["errors"] = u.errors
	}
	if u.ended != nil {
		through := u.first - 1
		if u.began {
			through = u.through
		}
		members["stored_through_"+u.unit] = through
	}
	p.members = members
	p.write(w, r)
	return p.status
}

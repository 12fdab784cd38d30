package provider

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/posthorn/posthorn/ingest/provider/jsonscan"
	"github.com/posthorn/posthorn/schemas"
)

// Native is an own sender, who uploads native events with a bearer token; see
// nativeField.
type Native struct{}

// NameNative is the name of Native.
const NameNative = "native"

// Name returns "native".
func (Native) Name() string { return NameNative }

// Version returns the version of this decoder.
func (Native) Version() int32 { return 1 }

// SchemeBearer is a bearer token.
const SchemeBearer = "bearer"

// What an upload stores beside an event's own fields, as headers of its webhooks.
const (
	// HeaderIdempotencyKey identifies the upload. Events without an id of their own
	// are told from others by it and their place in the upload.
	HeaderIdempotencyKey = "idempotency-key"
	// HeaderUploadFirst is the place in the upload of the body's first line. It is
	// not a header that a request could bring.
	HeaderUploadFirst = "upload-first"
)

// TypeNDJSON is the content type of an event a line.
const TypeNDJSON = "application/x-ndjson"

// IsNDJSON tells whether a content type is one of an event a line.
func IsNDJSON(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	switch media {
	case TypeNDJSON, "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines", "application/x-jsonlines":
		return true
	}
	return false
}

// BearerChallenge asks for a bearer token.
const BearerChallenge = `Bearer realm="posthorn"`

// Verifier takes keys, which are bearer tokens.
func (Native) Verifier(c Credentials) (Verifier, error) {
	switch {
	case len(c.Keys) == 0:
		return nil, &CredentialError{"key", "is missing: it is the bearer token that the sender shows; make one with: openssl rand -hex 32"}
	case c.Username != "" || len(c.Passwords) > 0:
		return nil, &CredentialError{"username", "can't be sent beside a bearer token, which takes the same header: leave out username and password"}
	case c.Header != "":
		return nil, &CredentialError{"header", "is always Authorization: leave it out"}
	}
	v, err := newTokenVerifier(c, authorization)
	if err != nil {
		return nil, err
	}
	return bearerVerifier{v}, nil
}

// bearerVerifier is a tokenVerifier that asks for its token as of RFC 6750.
type bearerVerifier struct{ Verifier }

func (v bearerVerifier) Verify(r *http.Request, body []byte, now time.Time) (Verified, error) {
	if _, err := v.Verifier.Verify(r, body, now); err != nil {
		return Verified{}, &AuthError{Challenge: BearerChallenge, Detail: "this source requires its key as a bearer token: send \"Authorization: Bearer KEY\""}
	}
	return Verified{Scheme: SchemeBearer}, nil
}

// Decode reads an event a line, of which empty ones count, or what JSON reads.
func (p Native) Decode(w *schemas.Webhook, yield func(index int, ev *schemas.Event, err error)) {
	d, key := newDecoder(p, w, yield), w.Headers[HeaderIdempotencyKey]
	if !IsNDJSON(w.ContentType) {
		d.natives(key)
		return
	}
	first, _ := strconv.ParseInt(w.Headers[HeaderUploadFirst], 10, 64) // 0 where there is none
	index := -1
	for line := range bytes.SplitSeq(bytes.TrimPrefix(w.Body, byteOrderMark), []byte("\n")) {
		index++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		o, err := jsonscan.Parse(line)
		switch {
		case err != nil:
			d.refuse(index, &Error{Reason: ReasonBadJSON, Detail: "the line is not JSON: " + err.Error()})
		case o.Kind != jsonscan.Object:
			d.refuse(index, &Error{Reason: ReasonNotAnEvent, Detail: "not a JSON object"})
		default:
			d.decodeNativeAt(index, strconv.FormatInt(first+int64(index), 10), o, key)
		}
	}
}

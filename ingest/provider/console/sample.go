package console

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/posthorn/posthorn/ingest/provider"
)

// What tells a sample from what is real: nobody can have this address (RFC 2606),
// and where a provider has campaigns the sample is of one of its own.
const (
	SampleRecipient = "test@posthorn.invalid"
	SampleCampaign  = "posthorn-test"
)

// Sample is a webhook that tells of one delivery, as a provider posts it.
type Sample struct {
	Header http.Header
	Body   []byte
	// Unsigned says why it is not signed as the provider would, where that takes
	// a key that is nobody's but the provider's. The gateway must refuse it.
	Unsigned string
}

// builder is what a provider's sample is made of.
type builder struct {
	Sample
	now time.Time
	// id is different each time, so that the event is a new one.
	id    string
	creds provider.Credentials
}

// NewSample makes a sample and signs it by the credentials of the source that it
// is for.
func (c Console) NewSample(creds provider.Credentials, now time.Time) Sample {
	b := &builder{Sample: Sample{Header: http.Header{}}, now: now.Truncate(time.Second), id: hex.EncodeToString(random(8)), creds: creds}
	b.Header.Set("Content-Type", "application/json")
	b.Header.Set("User-Agent", "posthorn source test")
	c.sample(b)
	if creds.Username != "" && len(creds.Passwords) > 0 {
		r := http.Request{Header: b.Header}
		r.SetBasicAuth(creds.Username, creds.Passwords[0])
	}
	return b.Sample
}

// Request makes the request that posts a sample.
func (s Sample) Request(ctx context.Context, url string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(s.Body))
	if err != nil {
		return nil, fmt.Errorf("making request: %w", err)
	}
	r.Header = s.Header.Clone()
	return r, nil
}

// json sets the body.
func (b *builder) json(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps, lists and text only
	}
	b.Body = text
}

// number is the id as a number that a provider could give.
func (b *builder) number() int64 {
	n, err := strconv.ParseInt(b.id[:13], 16, 64)
	if err != nil {
		panic(err) // hexadecimal digits
	}
	return 1<<52 + n
}

// messageID is the id as that of a Message-ID header.
func (b *builder) messageID() string { return b.id + "@posthorn.invalid" }

func (b *builder) key() string {
	if len(b.creds.Keys) == 0 {
		return ""
	}
	return b.creds.Keys[0]
}

// shown puts the key into a header, or as a bearer token where none is named.
func (b *builder) shown() {
	switch {
	case b.key() == "":
	case b.creds.Header != "":
		b.Header.Set(b.creds.Header, b.key())
	default:
		b.Header.Set("Authorization", "Bearer "+b.key())
	}
}

type (
	object = map[string]any
	array  = []any
)

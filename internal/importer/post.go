package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/posthorn/posthorn/ingest/provider"
)

// answer is what a gateway says of an upload.
type answer struct {
	Status             int
	Type, Detail       string
	Accepted, Rejected int64
	IgnoredFields      []string `json:"ignored_fields"`
	Errors             []struct {
		Line                  int64
		Field, Reason, Detail string
	}
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// post uploads a chunk until it is taken. first is the number of events before it.
func (i *importing) post(ctx context.Context, c *chunk, first int64) error {
	var a answer
	if len(c.numbers) > 0 {
		var err error
		key := fmt.Sprintf("import-%s-%d", i.digest, first)
		delays := backoff.NewExponentialBackOff()
		delays.MaxInterval = 15 * time.Second
		a, err = backoff.Retry(ctx, func() (answer, error) { return i.try(ctx, c.body.Bytes(), key) },
			backoff.WithBackOff(delays), backoff.WithMaxElapsedTime(i.GiveUp))
		if err != nil {
			return fmt.Errorf("uploading %s: %w", i.path, err)
		}
	}
	i.state.Accepted += a.Accepted
	i.state.Rejected += a.Rejected
	for _, e := range a.Errors {
		number := e.Line
		if e.Line >= 1 && e.Line <= int64(len(c.numbers)) {
			number = c.numbers[e.Line-1]
		}
		i.fault(Fault{number, e.Field, e.Reason, e.Detail})
	}
	i.local(c)
	i.ignore(a.IgnoredFields)
	return nil
}

func (i *importing) ignore(names []string) {
	for _, name := range names {
		if !slices.Contains(i.state.Ignored, name) && len(i.state.Ignored) < i.MaxFaults {
			i.state.Ignored = append(i.state.Ignored, name)
		}
	}
}

// try uploads a chunk once. An error is permanent where sending it again is of no use.
func (i *importing) try(ctx context.Context, body []byte, key string) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.URL, bytes.NewReader(body))
	if err != nil {
		return a, backoff.Permanent(err)
	}
	req.Header.Set("Authorization", "Bearer "+i.Token)
	req.Header.Set("Content-Type", provider.TypeNDJSON)
	req.Header.Set("Idempotency-Key", strconv.Quote(key))
	resp, err := i.Client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return a, backoff.Permanent(ctx.Err())
		}
		return a, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return a, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	parsed := json.Unmarshal(text, &a)
	a.Status = resp.StatusCode
	switch {
	case a.Status == http.StatusOK && parsed == nil, a.Status == http.StatusUnprocessableEntity && a.Type == badEvents:
		return a, nil
	case a.Status == http.StatusConflict, a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooManyRequests, a.Status >= 500:
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 && seconds < 300 {
			return a, errors.Join(refusedBy(a), backoff.RetryAfter(seconds))
		}
		return a, refusedBy(a)
	}
	return a, backoff.Permanent(refusedBy(a))
}

// badEvents is the answer of a gateway that has read all and not stored some.
const badEvents = "urn:posthorn:problem:bad-events"

func refusedBy(a answer) error {
	return fmt.Errorf("the gateway answers %d %s: %s", a.Status, http.StatusText(a.Status), a.Detail)
}

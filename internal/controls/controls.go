// Package controls carries what people ask of running stages: rules paused and
// resumed, calls to be made again, endpoints disabled and enabled. The requests are JSON
// records of the compacted topic posthorn.controls, of one partition, so that all
// who follow it see the same order. They concern calls only, never what is derived.
package controls

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// The kinds of requests, which the keys begin with.
const (
	kindRule     = "rule/"
	kindRetry    = "retry/"
	kindEndpoint = "endpoint/"
)

// Rule is the last that was asked of a rule's calls. Its key is rule/NAME.
type Rule struct {
	Name   string `json:"-"`
	Paused bool   `json:"paused"`
	// Drop, of a rule that is resumed, gives up what waited: the calls of triggers
	// that had arrived by At.
	Drop   bool      `json:"drop,omitempty"`
	By     string    `json:"by,omitempty"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// Record returns the request as a record of the topic.
func (r Rule) Record() *kgo.Record { return record(kindRule+r.Name, r) }

// Retry asks for one call to be made again, whatever became of it. Its key is
// retry/ID. Whoever applies it deletes it in the same transaction.
type Retry struct {
	// ID is of the request, not of the trigger: two requests for one trigger are two.
	ID        schemas.ID `json:"-"`
	TriggerID schemas.ID `json:"trigger_id"`
	// Topic, Partition and Offset are where the trigger is.
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// Attempts is how many there were, for the numbers of the next ones.
	Attempts int32     `json:"attempts"`
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at"`
}

// Record returns the request as a record of the topic.
func (r Retry) Record() *kgo.Record { return record(kindRetry+r.ID.String(), r) }

// Done returns the record that deletes the request.
func (r Retry) Done() *kgo.Record {
	return &kgo.Record{Topic: schemas.TopicControls, Key: []byte(kindRetry + r.ID.String())}
}

// Endpoint is the last that was said of an endpoint: that it is disabled, since it
// only fails, or that somebody enables it again. Its key is endpoint/NAME.
type Endpoint struct {
	Name     string    `json:"-"`
	Disabled bool      `json:"disabled"`
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at"`
	Reason   string    `json:"reason,omitempty"`
	// URL, without what is secret in it, is where the endpoint was then: another
	// URL is not disabled.
	URL string `json:"url,omitempty"`
}

// Record returns the request as a record of the topic.
func (e Endpoint) Record() *kgo.Record { return record(kindEndpoint+e.Name, e) }

func record(key string, value any) *kgo.Record {
	text, err := json.Marshal(value)
	if err != nil {
		panic("controls: encoding a request: " + err.Error()) // strings, numbers and times of this age
	}
	return &kgo.Record{Topic: schemas.TopicControls, Key: []byte(key), Value: text}
}

// take applies a record to what was asked before.
func (s *state) take(rec *kgo.Record) (err error) {
	key := string(rec.Key)
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading request %q at offset %d of %s: %w", key, rec.Offset, schemas.TopicControls, err)
		}
	}()
	deleted := len(rec.Value) == 0
	switch {
	case strings.HasPrefix(key, kindRule):
		r := Rule{Name: key[len(kindRule):]}
		return put(s.rules, r.Name, deleted, rec.Value, &r)
	case strings.HasPrefix(key, kindEndpoint):
		e := Endpoint{Name: key[len(kindEndpoint):]}
		return put(s.endpoints, e.Name, deleted, rec.Value, &e)
	case strings.HasPrefix(key, kindRetry):
		id, err := schemas.ParseID(key[len(kindRetry):])
		if err != nil {
			return err
		}
		if _, known := s.retries[id]; !known && !deleted && len(s.retries) >= maxRetries {
			return fmt.Errorf("%d calls are waiting to be made again, and no more are taken: ask again for trigger %s later", maxRetries, bytes.TrimSpace(rec.Value))
		}
		r := Retry{ID: id}
		return put(s.retries, id, deleted, rec.Value, &r)
	}
	return nil // of a later version
}

func put[K comparable, V any](m map[K]V, key K, deleted bool, text []byte, v *V) error {
	if deleted {
		delete(m, key)
		return nil
	}
	if err := json.Unmarshal(text, v); err != nil {
		return err
	}
	m[key] = *v
	return nil
}

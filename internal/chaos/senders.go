//go:build linux

package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/internal/simulate"
	"github.com/posthorn/posthorn/schemas"
)

// uploadSource is the source of the uploads.
const uploadSource = "uploads"

// sender is what one sender posts: simulated campaigns in its form.
type sender struct {
	source    string
	backup    string // source of what is posted again; empty: the same
	batch     int    // events of a body
	malformed float64
	// packed: the gateway stores the events of a body, not the body.
	packed bool
	// convert makes the sender's body of Mailjet's.
	convert func(data []byte) ([]byte, error)
	sign    func(req *http.Request, b *body)

	seed  uint64
	round uint64
	g     *simulate.Generator
}

// body is what is posted until it is taken.
type body struct {
	sender *sender
	kind   simulate.Kind
	data   []byte
	sum    [sha256.Size]byte
	events int
	fresh  int    // of them, those that were not posted before
	id     string // the sender's
}

// newSenders are the senders: Mailjet with a password, one that signs, and one
// that uploads.
func newSenders(seed uint64) []*sender {
	senders := []*sender{
		{source: "mailjet", backup: "mailjet-backup", batch: 3, malformed: 0.01, convert: asItIs, sign: signBasic},
		{source: "signed", batch: 1, convert: nativeArray, sign: signStandard},
		{source: uploadSource, batch: 3, packed: true, convert: nativeLines, sign: signUpload},
	}
	for i, s := range senders {
		s.seed = seed*1_000_000 + uint64(i)*100_000
	}
	return senders
}

// next makes the next body.
func (s *sender) next() (*body, error) {
	for {
		if s.g == nil {
			cfg := simulate.DefaultConfig(time.Now())
			cfg.Seed, cfg.Campaigns, cfg.Batch = s.seed+s.round, 2, s.batch
			cfg.Recipients = simulate.RecipientsFor(eventsPerRound, cfg.Campaigns)
			cfg.Malformed, cfg.Disorder = s.malformed, 0.05
			s.round++
			var err error
			if s.g, err = simulate.New(cfg); err != nil {
				return nil, err
			}
		}
		made, ok := s.g.Next(nil)
		if !ok {
			s.g = nil
			continue
		}
		b := &body{sender: s, kind: made.Kind, events: made.Events, id: uuid.NewString()}
		if made.Kind == simulate.Original {
			b.fresh = made.Events
		}
		var err error
		if b.data, err = s.convert(made.Data); err != nil {
			return nil, fmt.Errorf("a body of %s: %w", s.source, err)
		}
		b.sum = sha256.Sum256(b.data)
		return b, nil
	}
}

// source is where the body is posted to.
func (b *body) source() string {
	if b.kind == simulate.BackupURL && b.sender.backup != "" {
		return b.sender.backup
	}
	return b.sender.source
}

func (s *sender) path(b *body) string {
	if s.packed {
		return "/v1/events"
	}
	return "/v1/webhooks/" + b.source()
}

func asItIs(data []byte) ([]byte, error) { return data, nil }

// nativeEvent is an event in Posthorn's own words.
type nativeEvent struct {
	Type        string `json:"type"`
	ID          string `json:"event_id"`
	OccurredAt  string `json:"occurred_at"`
	MessageID   string `json:"message_id"`
	Recipient   string `json:"recipient"`
	CampaignID  string `json:"campaign_id,omitempty"`
	URL         string `json:"url,omitempty"`
	IP          string `json:"ip,omitempty"`
	UserAgent   string `json:"user_agent,omitempty"`
	BounceClass string `json:"bounce_class,omitempty"`
}

// natives reads a body of Mailjet.
func natives(data []byte) (list []nativeEvent, err error) {
	hook := schemas.Webhook{Tenant: "default", Account: "shop", ReceivedAt: schemas.FromTime(time.Now()), Body: data}
	provider.Mailjet{}.Decode(&hook, func(_ int, ev *schemas.Event, refused error) {
		if refused != nil {
			err = refused
			return
		}
		list = append(list, nativeEvent{
			Type: strings.ToLower(ev.Type.String()), ID: ev.EventID.String(), OccurredAt: ev.OccurredAt.Time().UTC().Format(time.RFC3339Nano),
			MessageID: ev.MessageID, Recipient: ev.Recipient, CampaignID: ev.CampaignID,
			URL: ev.URL, IP: ev.IP, UserAgent: ev.UserAgent, BounceClass: ev.BounceClass,
		})
	})
	return list, err
}

func nativeArray(data []byte) ([]byte, error) {
	list, err := natives(data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(list)
}

func nativeLines(data []byte) ([]byte, error) {
	list, err := natives(data)
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for _, e := range list {
		if err := enc.Encode(e); err != nil {
			return nil, err
		}
	}
	return lines.Bytes(), nil
}

func signBasic(req *http.Request, _ *body) {
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth("mailjet", "secret")
}

// signStandard signs as Standard Webhooks: the id stays when a body is sent again.
func signStandard(req *http.Request, b *body) {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(signingKey, "whsec_")) // it is valid
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", b.id, at, b.data)
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("Webhook-Id", b.id)
	h.Set("Webhook-Timestamp", at)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// signUpload shows the token; the key has a repeated upload answered as before.
func signUpload(req *http.Request, b *body) {
	h := req.Header
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Authorization", "Bearer "+uploadToken)
	h.Set("Idempotency-Key", b.id)
}

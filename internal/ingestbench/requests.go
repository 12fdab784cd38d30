package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// scheme is how requests are verified, and the name of the source that does.
type scheme string

const (
	basic    scheme = "basic" // Mailjet: user and password
	hmac256  scheme = "hmac"  // Standard Webhooks: HMAC-SHA256, an id that is valid once
	ecdsa256 scheme = "ecdsa" // SendGrid: ECDSA P-256
)

// load is what is posted: bodies of so many events over so many connections.
type load struct {
	events, connections int
	scheme              scheme
}

func (l load) String() string {
	s := fmt.Sprintf("%d event", l.events)
	if l.events != 1 {
		s += "s"
	}
	return fmt.Sprintf("%s, %d, %s", s, l.connections, l.scheme)
}

// requests are what one load posts, over and over.
type requests struct {
	scheme scheme
	heads  [][]byte // up to where an id and its signature go
	bodies [][]byte
	run    int64 // makes ids unique
	next   atomic.Int64
}

// newRequests makes requests that differ: a batch of the same body would compress
// to nothing.
func newRequests(l load) (*requests, error) {
	r := &requests{scheme: l.scheme, run: time.Now().UnixNano()}
	for i := range 512/l.events + 8 {
		body := mailjetBody(l.events, i*l.events)
		head := fmt.Appendf(nil, "POST /v1/webhooks/%s HTTP/1.1\r\nHost: hooks.example.com\r\nUser-Agent: bench/1\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", l.scheme, len(body))
		switch l.scheme {
		case basic:
			head = fmt.Appendf(head, "Authorization: Basic %s\r\n\r\n", base64.StdEncoding.EncodeToString([]byte(username+":"+password)))
		case ecdsa256:
			stamp := strconv.FormatInt(time.Now().Unix(), 10)
			digest := sha256.Sum256(append([]byte(stamp), body...))
			signature, err := ecdsa.SignASN1(rand.Reader, ecdsaKey(), digest[:])
			if err != nil {
				return nil, err
			}
			head = fmt.Appendf(head, "X-Twilio-Email-Event-Webhook-Signature: %s\r\nX-Twilio-Email-Event-Webhook-Timestamp: %s\r\n\r\n", base64.StdEncoding.EncodeToString(signature), stamp)
		}
		r.heads, r.bodies = append(r.heads, head), append(r.bodies, body)
	}
	return r, nil
}

// appendNext appends the next request.
func (r *requests) appendNext(dst []byte) []byte {
	n := r.next.Add(1)
	i := int(n) % len(r.bodies)
	dst = append(dst, r.heads[i]...)
	if r.scheme == hmac256 {
		id := fmt.Sprintf("msg_%x_%d", r.run, n)
		stamp := strconv.FormatInt(time.Now().Unix(), 10)
		mac := hmac.New(sha256.New, hmacKey)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(r.bodies[i])
		dst = fmt.Appendf(dst, "webhook-id: %s\r\nwebhook-timestamp: %s\r\nwebhook-signature: v1,%s\r\n\r\n", id, stamp, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return append(dst, r.bodies[i]...)
}

var agents = [...]string{
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	"Mozilla/5.0",
}

// mailjetBody is a grouped body of n events, as Mailjet posts opens.
func mailjetBody(n, first int) []byte {
	b := []byte{'['}
	for i := first; i < first+n; i++ {
		if i > first {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"event":"open","time":%d,"MessageID":%d,"Message_GUID":"b29e1a52-8d3c-4a57-9d2e-%012x","email":"recipient-%d@orchard.example","mj_campaign_id":7301,"mj_contact_id":%d,"customcampaign":"spring-sale","CustomID":"order-%d","Payload":"","ip":"192.0.2.%d","geo":"FR","agent":"%s"}`,
			1772366400+i, 104427216766056450+i*7919, i*104729, i, 41+i*31, i*13, i%250, agents[i%len(agents)])
	}
	return append(b, ']')
}

// ecdsaKey is the same in every process.
func ecdsaKey() *ecdsa.PrivateKey {
	d := sha256.Sum256(hmacKey)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		panic(err) // a constant
	}
	return key
}

func ecdsaPublicKey() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(ecdsaKey().Public())
	return base64.StdEncoding.EncodeToString(der), err
}

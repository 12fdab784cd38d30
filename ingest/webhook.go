package ingest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/ingest/provider"
	"github.com/posthorn/posthorn/schemas"
)

const webhookPath = "/v1/webhooks/"

// keptHeaders are the request headers stored with a webhook, by canonical name.
// It is a list of what is kept rather than of what is not, so that no
// credential ever slips in.
var keptHeaders = [...]struct{ canonical, stored string }{
	{"User-Agent", "user-agent"},
	{"Content-Encoding", "content-encoding"},
	{"X-Request-Id", "x-request-id"},
	{"Traceparent", "traceparent"},
	// What stands in the envelope of Amazon SNS unless delivery is raw.
	{"X-Amz-Sns-Message-Id", "x-amz-sns-message-id"},
	{"X-Amz-Sns-Topic-Arn", "x-amz-sns-topic-arn"},
	// The sender's id of a webhook, which its body lacks.
	{"Webhook-Id", "webhook-id"},
	{"Svix-Id", "svix-id"},
	{"Idempotency-Key", provider.HeaderIdempotencyKey},
}

func (g *Gateway) serveWebhook(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	name, ok := strings.CutPrefix(r.URL.Path, webhookPath)
	src := g.sources[name]
	if !ok || src == nil {
		g.metrics.unknown.Inc()
		(&problem{status: http.StatusNotFound, slug: "unknown-source", title: "No such source",
			detail: "webhooks are posted to " + webhookPath + "{source}, where the source is configured"}).write(w, r)
		return
	}
	id, p := g.accept(w, r, src, start)
	status := http.StatusOK
	switch {
	case p == nil && id.IsZero(): // a probe
	case p == nil:
		answer(w, r, id)
	default:
		if status = src.statusFor(p, r); status == http.StatusOK {
			break // refused, but there is nothing that the caller should mend
		}
		p.status = status
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			p.retryAfter = retryAfter
		}
		p.write(w, r)
	}
	g.metrics.observe(src, status, time.Since(start))
}

// statusFor is the status of a refusal in the way of the source's provider: some
// take a usual one for a reason to stop sending, others never stop without one of
// their own.
func (s *source) statusFor(p *problem, r *http.Request) int {
	a, ok := s.Provider.(provider.Answerer)
	if !ok {
		return p.status
	}
	var why provider.Refusal
	switch p.status {
	case http.StatusUnauthorized:
		why = provider.RefusedForged
		if p.challenge != "" && r.Header.Get("Authorization") == "" {
			why = provider.RefusedUnasked
		}
	case http.StatusConflict:
		why = provider.RefusedRepeated
	case http.StatusRequestEntityTooLarge:
		why = provider.RefusedTooLarge
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadRequest: // the last: the body did not arrive
		why = provider.RefusedBusy
	default:
		return p.status
	}
	if status := a.Answer(why); status != 0 {
		return status
	}
	return p.status
}

// answer says that the webhook is stored. Mailjet takes exactly 200 for that. No
// provider reads more, so the id is for who asks for it as RFC 7240 has it.
func answer(w http.ResponseWriter, r *http.Request, id schemas.ID) {
	if !slices.ContainsFunc(r.Header[preferHeader], prefersRepresentation) {
		return
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	h.Set("Preference-Applied", representation)
	var buf [64]byte
	body := append(buf[:0], `{"webhook_id":"`...)
	body = id.AppendText36(body)
	body = append(body, '"', '}', '\n')
	// A caller that is gone sends again.
	_, _ = w.Write(body)
}

var jsonType = []string{"application/json"}

const (
	preferHeader   = "Prefer"
	representation = "return=representation"
)

func prefersRepresentation(list string) bool {
	for p := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(p), representation) {
			return true
		}
	}
	return false
}

// accept takes one webhook and returns once it is durable, or says why not.
func (g *Gateway) accept(w http.ResponseWriter, r *http.Request, src *source, start time.Time) (schemas.ID, *problem) {
	if src.Disabled {
		return schemas.ID{}, &problem{status: http.StatusGone, slug: "disabled", title: "Source is disabled",
			detail: "webhooks of this source are not wanted any more"}
	}
	if r.Method != http.MethodPost {
		if prober, ok := src.Provider.(provider.Prober); ok && prober.Probes(r.Method) {
			return schemas.ID{}, nil
		}
		return schemas.ID{}, &problem{status: http.StatusMethodNotAllowed, slug: "method", title: "Only POST", allow: http.MethodPost,
			detail: "webhooks are posted; " + r.Method + " does nothing here"}
	}
	a, p := g.admit(src)
	if p != nil {
		return schemas.ID{}, p
	}
	defer a.release()

	var shown provider.Verified
	if !src.verifier.SignsBody() {
		if shown, p = g.verify(r, nil, src, start); p != nil {
			return schemas.ID{}, p
		}
	}
	body, held, p := g.readBody(r, a)
	if p != nil {
		return schemas.ID{}, p
	}
	defer g.buffers.put(body)
	if src.verifier.SignsBody() {
		if shown, p = g.verify(r, *body, src, time.Now()); p != nil {
			a.give(held)
			return schemas.ID{}, p
		}
	}
	if g.tokens.known(src.Name, shown.Token) {
		a.give(held)
		return schemas.ID{}, &problem{status: http.StatusConflict, slug: "repeated", title: "Stored already",
			detail: "a webhook with this token was stored before"}
	}
	if p := a.count(); p != nil {
		a.give(held)
		return schemas.ID{}, p
	}
	defer g.underway.end(g.underway.begin(time.Now()))
	received := time.Now()
	hook := g.hooks.get()
	defer g.hooks.put(hook)
	*hook = schemas.Webhook{
		ID: newID(), Tenant: src.Tenant, Account: src.Account, Source: src.Name, Provider: src.Provider.Name(),
		ReceivedAt: schemas.FromTime(received), RemoteIP: g.remoteIP(r),
		ContentType: r.Header.Get("Content-Type"), Headers: keepHeaders(hook.Headers, r.Header), Query: r.URL.RawQuery,
		Body: *body, CRC32C: schemas.Checksum(*body), Verified: shown.Scheme,
	}
	g.metrics.bytes.Add(float64(len(*body)))
	if p := g.store(hook, a, held); p != nil {
		return hook.ID, p
	}
	if shown.Notice != "" {
		g.cfg.Logger.Warn(shown.Notice, "source", src.Name, "webhook", hook.ID)
	}
	if shown.Confirm != "" {
		if p := g.confirm(r.Context(), src, shown.Confirm); p != nil {
			return hook.ID, p
		}
	}
	g.tokens.remember(src.Name, shown.Token, shown.Until)
	return hook.ID, nil
}

func (g *Gateway) verify(r *http.Request, body []byte, src *source, now time.Time) (provider.Verified, *problem) {
	shown, err := src.verifier.Verify(r, body, now)
	if err == nil {
		return shown, nil
	}
	var refused *provider.AuthError
	if !errors.As(err, &refused) {
		g.cfg.Logger.Warn("a webhook could not be verified", "source", src.Name, "error", err)
		return shown, unavailable("not-verified", "this can't be verified now")
	}
	return shown, &problem{status: http.StatusUnauthorized, slug: "unauthorized", title: "Not from the provider", detail: refused.Detail, challenge: refused.Challenge}
}

// keepHeaders puts the headers that are kept into m, which is empty.
func keepHeaders(m map[string]string, h http.Header) map[string]string {
	for _, k := range keptHeaders {
		if v := h[k.canonical]; len(v) > 0 {
			m[k.stored] = v[0]
		}
	}
	return m
}

// store produces the webhook and waits until it is durable, in Kafka or in the
// spool. It takes over held bytes of the budget, which come back when the producer
// lets go of the record: that may be after the caller was answered.
func (g *Gateway) store(hook *schemas.Webhook, a *admission, held int64) *problem {
	value := g.buffers.get(len(hook.Body) + envelope)
	*value = g.cfg.Serde.Append(*value, schemas.TopicWebhooks, hook)
	if g.spool != nil && g.kafka.failing() && g.keep(*value) {
		g.buffers.put(value)
		a.give(held)
		return nil
	}
	rec := &kgo.Record{Topic: schemas.TopicWebhooks, Value: *value}
	a.route(rec)
	confirmed := g.confirmations.get(g.patience)
	start := time.Now()
	// The request's context is not passed on: records of one batch share their
	// fate, and one caller that hangs up must not fail the others.
	g.cfg.Producer.Produce(context.Background(), rec, func(_ *kgo.Record, err error) {
		a.give(held)
		g.kafka.result(err)
		confirmed.answer <- err
	})
	err := <-confirmed.answer
	if err == errNoAnswer {
		return g.storeElsewhere(*value, err, confirmed.answer)
	}
	g.confirmations.put(confirmed)
	g.metrics.produce.Observe(time.Since(start).Seconds())
	if err != nil {
		return g.storeElsewhere(*value, err, nil)
	}
	// Only now does nothing refer to it: a failed record may still be on its way
	// out, and one that nobody waits for as well.
	g.buffers.put(value)
	return nil
}

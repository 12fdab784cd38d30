package delivery

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

const (
	masked     = "***"    // stands for what is secret
	keptBody   = 16 << 10 // bytes of a request's body that are kept
	keptHeader = 1 << 10  // bytes of a header
	keptCount  = 32       // headers of a response
)

// record produces the Delivery of an attempt.
func (t *task) record(ctx stream.Context, r *result, status schemas.DeliveryStatus, next time.Time) {
	tr := &r.call.trigger
	d := schemas.Delivery{
		TriggerID: tr.TriggerID, Tenant: tr.Tenant, Rule: tr.Rule, Endpoint: tr.Endpoint, Action: ActionCallback,
		RecipientID: tr.RecipientID, CampaignID: tr.CampaignID,
		Attempt: r.call.before + r.call.attempts + 1, AttemptedAt: schemas.FromTime(r.at), DurationMS: r.took.Milliseconds(),
		Status: status, StatusCode: int32(r.status), Error: r.err, Response: r.response,
		ResponseHeaders: responseHeaders(r.header), Manual: r.call.asked != 0,
	}
	if l := t.d.lanes[tr.Endpoint]; l != nil {
		d.URL, d.Action = l.publicURL, l.action.name()
	}
	if q := r.request; q != nil {
		d.RequestMethod, d.RequestHeaders, d.RequestBody = q.method, q.headers(), cut(string(q.body), keptBody)
	}
	if !next.IsZero() {
		d.NextAttemptAt = schemas.FromTime(next)
	}
	ctx.Produce(&kgo.Record{
		Topic: schemas.TopicDeliveries, Key: append([]byte(nil), tr.TriggerID[:]...),
		Value: t.d.cfg.Serde.Append(nil, schemas.TopicDeliveries, &d),
	})
}

// headers are those that were sent, without what is secret.
func (q *request) headers() map[string]string {
	out := make(map[string]string, len(q.header))
	for name := range q.header {
		out[name] = cut(q.header.Get(name), keptHeader)
		if q.secret[name] {
			out[name] = masked
		}
	}
	return out
}

// secretAnswers are headers of responses by which others could act as the endpoint
// lets us act.
var secretAnswers = []string{"Set-Cookie", "Set-Cookie2", "Authorization", "Proxy-Authenticate", "Www-Authenticate", "Authentication-Info"}

// responseHeaders are the first values of up to keptCount headers, in the order of
// their names.
func responseHeaders(h http.Header) map[string]string {
	out := make(map[string]string, min(len(h), keptCount))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if len(out) == keptCount {
			break
		}
		out[cut(name, keptHeader)] = cut(h.Get(name), keptHeader)
		if slices.Contains(secretAnswers, name) {
			out[name] = masked
		}
	}
	return out
}

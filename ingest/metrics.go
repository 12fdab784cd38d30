package ingest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// countedCodes are the answers that a known source can get.
var countedCodes = [...]int{
	http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed,
	http.StatusNotAcceptable, http.StatusRequestTimeout, http.StatusConflict, http.StatusGone,
	http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
	http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusServiceUnavailable,
}

type metrics struct {
	requests   *prometheus.CounterVec
	unknown    prometheus.Counter
	failed     *prometheus.CounterVec
	overflowed *prometheus.CounterVec
	refused    *prometheus.CounterVec
	handshakes *prometheus.CounterVec
	bytes      prometheus.Counter
	duration   prometheus.Histogram
	produce    prometheus.Histogram

	spoolFailed *prometheus.CounterVec // nil without a spool
}

func newMetrics(reg prometheus.Registerer, bytes, pending *budget) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_gateway_requests_total",
			Help: "Webhook requests by configured source and answer.",
		}, []string{"source", "code"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_gateway_failed_total",
			Help: "Webhooks that could not be stored: produce (Kafka refused), timeout (no answer), budget (too many bytes pending), pending (too many requests).",
		}, []string{"reason"}),
		overflowed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_gateway_overflowed_total",
			Help: "Requests beyond the rate or share of their source, by source: they went to the partitions for floods.",
		}, []string{"source"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_gateway_refused_total",
			Help: "Requests beyond the rate or share of their source that found no room there either, by source.",
		}, []string{"source"}),
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_gateway_handshakes_total",
			Help: "Subscriptions that providers asked to confirm, by source and result: confirmed or failed.",
		}, []string{"source", "result"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthorn_gateway_body_bytes_total",
			Help: "Bytes of webhook bodies that were read and verified.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "posthorn_gateway_request_duration_seconds",
			Help:    "Time from a request's headers to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		produce: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "posthorn_gateway_produce_duration_seconds",
			Help:    "Time until Kafka confirmed or refused a webhook.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
	}
	m.unknown = m.requests.WithLabelValues("unknown", strconv.Itoa(http.StatusNotFound))
	if reg != nil {
		reg.MustRegister(m.requests, m.failed, m.overflowed, m.refused, m.handshakes, m.bytes, m.duration, m.produce,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "posthorn_gateway_pending_bytes",
				Help: "Bytes of the budget taken by webhooks not yet durable.",
			}, bytes.inUse),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "posthorn_gateway_pending_requests",
				Help: "Requests being served.",
			}, pending.inUse))
	}
	return m
}

// requestsOf resolves the counters of a source once.
func (m *metrics) requestsOf(source string) (c [len(countedCodes)]prometheus.Counter) {
	for i, code := range countedCodes {
		c[i] = m.requests.WithLabelValues(source, strconv.Itoa(code))
	}
	return c
}

func (m *metrics) observe(s *source, status int, d time.Duration) {
	for i, code := range countedCodes {
		if code == status {
			s.requests[i].Inc()
		}
	}
	m.duration.Observe(d.Seconds())
}

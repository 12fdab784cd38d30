package delivery

import "github.com/prometheus/client_golang/prometheus"

// metrics of the stage. Endpoints are configured, so their number is bounded.
type metrics struct {
	attempts *prometheus.CounterVec   // by endpoint and outcome
	duration *prometheus.HistogramVec // of attempts
	latency  *prometheus.HistogramVec // arrival of the evidence to the first attempt
	queued   *prometheus.GaugeVec
	disabled *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_delivery_attempts_total", Help: "Calls made, by endpoint and outcome (succeeded, retry, refused, gone).",
		}, []string{"endpoint", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthorn_delivery_attempt_seconds", Help: "Time of a call until its response was read.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}, []string{"endpoint"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthorn_delivery_latency_seconds", Help: "From the arrival of a trigger's last event to its first call.",
			Buckets: []float64{.05, .1, .2, .3, .5, .75, 1, 2, 5, 10, 60, 600},
		}, []string{"endpoint"}),
		queued: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "posthorn_delivery_queued", Help: "Calls that wait for their turn.",
		}, []string{"endpoint"}),
		disabled: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "posthorn_delivery_endpoint_disabled", Help: "1 once the endpoint has answered 410 Gone.",
		}, []string{"endpoint"}),
	}
	if reg != nil {
		reg.MustRegister(m.attempts, m.duration, m.latency, m.queued, m.disabled)
	}
	return m
}

func (m *metrics) observe(endpoint string, r *result) {
	if r.verdict == notMade {
		return
	}
	m.attempts.WithLabelValues(endpoint, r.verdict.String()).Inc()
	m.duration.WithLabelValues(endpoint).Observe(r.took.Seconds())
	if r.call.attempts == 0 && !r.call.trigger.ArrivedAt.IsZero() {
		m.latency.WithLabelValues(endpoint).Observe(r.at.Sub(r.call.trigger.ArrivedAt.Time()).Seconds())
	}
}

func (v verdict) String() string {
	return [...]string{"succeeded", "retry", "refused", "gone", "not made"}[v]
}

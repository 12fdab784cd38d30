package delivery

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the stage. Endpoints and rules are configured, so their number is
// bounded.
type metrics struct {
	attempts *prometheus.CounterVec   // by endpoint and outcome
	duration *prometheus.HistogramVec // of attempts
	latency  *prometheus.HistogramVec // arrival of the evidence to the first attempt
}

func newMetrics(reg prometheus.Registerer, d *Delivery) *metrics {
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
	}
	if reg != nil {
		reg.MustRegister(m.attempts, m.duration, m.latency, stateCollector{d})
	}
	return m
}

func (m *metrics) observe(endpoint string, r *result) {
	if r.verdict == notMade {
		return
	}
	m.attempts.WithLabelValues(endpoint, r.verdict.String()).Inc()
	m.duration.WithLabelValues(endpoint).Observe(r.took.Seconds())
	if r.call.attempts+r.call.before == 0 && !r.call.trigger.ArrivedAt.IsZero() {
		m.latency.WithLabelValues(endpoint).Observe(r.at.Sub(r.call.trigger.ArrivedAt.Time()).Seconds())
	}
}

func (v verdict) String() string {
	return [...]string{"succeeded", "retry", "refused", "gone", "not made"}[v]
}

// stateCollector tells how the endpoints are at the moment of the scrape.
type stateCollector struct{ d *Delivery }

func stateDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("posthorn_delivery_"+name, help, labels, nil)
}

var (
	descQueued   = stateDesc("queued", "Calls that are due and wait for their turn in the dispatcher.", "endpoint")
	descPending  = stateDesc("pending", "Calls that are not done: waiting for their turn, for a retry or for active hours, or held.", "endpoint")
	descHeld     = stateDesc("held", "Pending calls of rules that are paused.", "endpoint")
	descOverdue  = stateDesc("oldest_overdue_seconds", "How long the call that has waited longest has been due: behind an open breaker, in a queue or held.", "endpoint")
	descBreaker  = stateDesc("breaker_open", "1 while calls wait since the endpoint fails time after time.", "endpoint")
	descDisabled = stateDesc("endpoint_disabled", "1 once the endpoint is disabled: it answered 410 Gone, or has only failed for days.", "endpoint")
	descFailing  = stateDesc("endpoint_failing_seconds", "For how long all calls of this worker have failed; 0: the last one did not.", "endpoint")
	descPaused   = stateDesc("rule_paused", "1 while calls of the rule are held.", "rule")
)

// Describe implements prometheus.Collector.
func (c stateCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descQueued, descPending, descHeld, descOverdue, descBreaker, descDisabled, descFailing, descPaused} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, label string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, label)
	}
	now := c.d.cfg.Now()
	total := c.d.backlog()
	for name, l := range c.d.lanes {
		b := total[name]
		gauge(descQueued, float64(l.queued()), name)
		gauge(descPending, float64(b.pending), name)
		gauge(descHeld, float64(b.held), name)
		gauge(descOverdue, sinceMicros(b.oldest, now), name)
		gauge(descBreaker, truth(l.breaker.open()), name)
		gauge(descDisabled, truth(l.disabled()), name)
		since, _ := l.health.failing()
		gauge(descFailing, sinceMicros(since, now), name)
	}
	for _, rule := range c.d.knownRules() {
		gauge(descPaused, truth(c.d.paused(rule)), rule)
	}
}

// sinceMicros is the time from at until now, 0 where at is 0 or later.
func sinceMicros(at int64, now time.Time) float64 {
	if at == 0 {
		return 0
	}
	return max(0, now.Sub(time.UnixMicro(at)).Seconds())
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

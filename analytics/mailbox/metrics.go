package mailbox

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	lookups *prometheus.CounterVec
	seconds prometheus.Histogram
	waiting prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_mailbox_lookups_total", Help: "Domains whose mail exchangers were asked for: known, other, none or failed.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "posthorn_mailbox_lookup_seconds", Help: "Time of one question for mail exchangers.",
			Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 2.5, 5},
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthorn_mailbox_domains_waiting", Help: "Domains whose mailbox provider is not looked up yet.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.lookups, m.seconds, m.waiting)
	}
	return m
}

func (m *metrics) told(provider string, err error, took time.Duration) {
	result := "known"
	switch {
	case err != nil:
		result = "failed"
	case provider == "":
		result = "none"
	case provider == Other:
		result = "other"
	}
	m.lookups.WithLabelValues(result).Inc()
	m.seconds.Observe(took.Seconds())
}

package reload

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	rules, failed prometheus.Gauge
	reloads       *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		rules: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthorn_rules", Help: "Rules in force.",
		}),
		failed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthorn_rules_reload_failed", Help: "1 while the rules' files have errors and those of before stay in force.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_rules_reloads_total", Help: "Times that the rules were read, by result.",
		}, []string{"result"}),
	}
	for _, result := range []string{"accepted", "refused"} {
		m.reloads.WithLabelValues(result)
	}
	if reg != nil {
		reg.MustRegister(m.rules, m.failed, m.reloads)
	}
	return m
}

func (m *metrics) accepted(rules int) {
	m.rules.Set(float64(rules))
	m.failed.Set(0)
	m.reloads.WithLabelValues("accepted").Inc()
}

func (m *metrics) refused() {
	m.failed.Set(1)
	m.reloads.WithLabelValues("refused").Inc()
}

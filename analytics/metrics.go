package analytics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	rows     *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	letters  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_sink_rows_total", Help: "Rows inserted into ClickHouse.",
		}, []string{"table"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthorn_sink_insert_seconds", Help: "Time of one insert.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"table"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_sink_failed_total", Help: "Failures that were tried again.",
		}, []string{"table", "reason"}),
		letters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "posthorn_sink_dead_letters_total", Help: "Records that could not be decoded.",
		}, []string{"topic"}),
	}
	if reg != nil {
		reg.MustRegister(m.rows, m.seconds, m.failures, m.letters)
	}
	return m
}

// lagCollector exports what Status says of the lanes that are owned here.
type lagCollector struct {
	sink             *Sink
	lag, seen, fresh *prometheus.Desc
}

func newLagCollector(s *Sink) *lagCollector {
	return &lagCollector{s,
		prometheus.NewDesc("posthorn_sink_lag_records", "Offsets that are not in ClickHouse yet.", []string{"topic", "lane"}, nil),
		prometheus.NewDesc("posthorn_sink_newest_record_seconds", "Unix time of the newest record in ClickHouse.", []string{"topic", "lane"}, nil),
		prometheus.NewDesc("posthorn_sink_freshness_seconds", "For how long records have not been in ClickHouse: the age of the newest one that is, while others are not, and no longer than they wait; 0 while none does.", []string{"table"}, nil),
	}
}

func (c *lagCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.lag
	out <- c.seen
	out <- c.fresh
}

func (c *lagCollector) Collect(out chan<- prometheus.Metric) {
	for _, l := range c.sink.Status().Lanes {
		if !l.Owned {
			continue
		}
		lane := strconv.Itoa(l.Lane)
		if l.Lag >= 0 {
			out <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, float64(l.Lag), l.Topic, lane)
		}
		if !l.Newest.IsZero() {
			out <- prometheus.MustNewConstMetric(c.seen, prometheus.GaugeValue, float64(l.Newest.UnixMilli())/1000, l.Topic, lane)
		}
	}
	for table, age := range c.sink.Freshness(time.Now()) {
		out <- prometheus.MustNewConstMetric(c.fresh, prometheus.GaugeValue, age.Seconds(), table)
	}
}

package ingest

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/ingest/spool"
)

// watchSpool adds what is to be known of the spool.
func (m *metrics) watchSpool(reg prometheus.Registerer, s *spool.Spool) {
	m.spoolFailed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "posthorn_gateway_spool_failed_total",
		Help: "Webhooks that the spool could not keep: full (max_size), disk (min_free_disk or none left), io (another error).",
	}, []string{"reason"})
	if reg == nil {
		return
	}
	gauge := func(name, help string, value func(spool.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "posthorn_gateway_spool_" + name, Help: help},
			func() float64 { return value(s.Stats()) })
	}
	counter := func(name, help string, value func(spool.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "posthorn_gateway_spool_" + name, Help: help},
			func() float64 { return float64(value(s.Stats())) })
	}
	reg.MustRegister(m.spoolFailed,
		gauge("bytes", "Bytes of the spool on disk, what was set aside included.",
			func(st spool.Stats) float64 { return float64(st.Bytes) }),
		gauge("records", "Webhooks in the spool that Kafka has not confirmed.",
			func(st spool.Stats) float64 { return float64(st.Records) }),
		gauge("oldest_seconds", "How long the oldest of them may have been waiting; 0 without any.",
			func(st spool.Stats) float64 {
				if st.Oldest.IsZero() {
					return 0
				}
				return time.Since(st.Oldest).Seconds()
			}),
		counter("appended_total", "Webhooks that were put into the spool.",
			func(st spool.Stats) uint64 { return st.Appended }),
		counter("drained_total", "Webhooks of the spool that Kafka confirmed.",
			func(st spool.Stats) uint64 { return st.Drained }),
		counter("refused_total", "Webhooks of the spool that Kafka will never take, each kept in a .refused file.",
			func(st spool.Stats) uint64 { return st.Refused }),
		counter("damaged_bytes_total", "Bytes of the spool that can't be read, kept in .damaged files.",
			func(st spool.Stats) uint64 { return st.DamagedBytes }),
	)
}

package stream

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	records, commits, aborts, deadLetters, restored, sessionFailures prometheus.Counter
	commitSeconds                                                    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, w *Worker) *metrics {
	labels := prometheus.Labels{"stage": w.stage.Name}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "posthorn", Subsystem: "stage", Name: name, Help: help, ConstLabels: labels})
	}
	m := &metrics{
		records:         counter("records_total", "Input records in committed transactions."),
		commits:         counter("commits_total", "Transactions committed."),
		aborts:          counter("aborts_total", "Transactions aborted and done again."),
		deadLetters:     counter("dead_letters_total", "Records sent to the dead letter topic."),
		restored:        counter("restored_records_total", "Changelog records read to restore state."),
		sessionFailures: counter("session_failures_total", "Sessions that ended in an error."),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "posthorn", Subsystem: "stage", Name: "commit_seconds",
			Help: "Time from the flush of a transaction to its commit.", ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
	}
	if reg == nil {
		return m
	}
	gauge := func(name, help string, f func(Status) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "posthorn", Subsystem: "stage", Name: name, Help: help, ConstLabels: labels},
			func() float64 { return f(w.Status()) })
	}
	reg.MustRegister(m.records, m.commits, m.aborts, m.deadLetters, m.restored, m.sessionFailures, m.commitSeconds,
		gauge("lag_records", "Input records not yet processed.", func(s Status) float64 { return float64(s.Lag) }),
		gauge("tasks", "Tasks assigned.", func(s Status) float64 { return float64(s.Tasks) }),
		gauge("restoring_tasks", "Tasks whose state is being restored.", func(s Status) float64 { return float64(s.Restoring) }),
		gauge("frontier_seconds", "Arrival frontier, Unix time; 0 while unknown.", func(s Status) float64 {
			if s.Frontier.IsZero() {
				return 0
			}
			return float64(s.Frontier.UnixMilli()) / 1000
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "posthorn", Subsystem: "stage", Name: "state_bytes", Help: "Size of the committed state.", ConstLabels: labels},
			func() float64 { return float64(w.db.sizeBytes()) }),
	)
	return m
}

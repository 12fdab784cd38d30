package stream

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	records, commits, aborts, restored, sessionFailures, overruns prometheus.Counter
	late, deadLetters                                             *prometheus.CounterVec // by partition
	commitSeconds                                                 prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, w *Worker) *metrics {
	labels := prometheus.Labels{"stage": w.stage.Name}
	options := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "posthorn", Subsystem: "stage", Name: name, Help: help, ConstLabels: labels}
	}
	counter := func(name, help string) prometheus.Counter { return prometheus.NewCounter(options(name, help)) }
	byTask := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(options(name, help), []string{"partition"})
	}
	m := &metrics{
		records:         counter("records_total", "Input records in committed transactions."),
		commits:         counter("commits_total", "Transactions committed."),
		aborts:          counter("aborts_total", "Transactions aborted and done again."),
		restored:        counter("restored_records_total", "Changelog records read to restore state."),
		sessionFailures: counter("session_failures_total", "Sessions that ended in an error."),
		overruns:        counter("frontier_overruns_total", "Records that arrived, by their broker's clock, before the frontier."),
		late:            byTask("late_total", "Events that came too late to change what they belong to."),
		deadLetters:     byTask("dead_letters_total", "Records sent to the dead letter topic."),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "posthorn", Subsystem: "stage", Name: "commit_seconds",
			Help: "Time from the flush of a transaction to its commit.", ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
	}
	if reg != nil {
		reg.MustRegister(m.records, m.commits, m.aborts, m.restored, m.sessionFailures, m.overruns, m.late, m.deadLetters, m.commitSeconds,
			newTaskCollector(w))
	}
	return m
}

// taskCollector exports the status of a worker and of each of its tasks.
type taskCollector struct {
	w     *Worker
	ready *prometheus.Desc
	tasks *prometheus.Desc
	gauge []taskGauge
}

type taskGauge struct {
	desc  *prometheus.Desc
	value func(TaskStatus) (value float64, known bool)
}

func newTaskCollector(w *Worker) *taskCollector {
	labels := prometheus.Labels{"stage": w.stage.Name}
	desc := func(name, help string, variable ...string) *prometheus.Desc {
		return prometheus.NewDesc("posthorn_stage_"+name, help, variable, labels)
	}
	c := &taskCollector{w: w,
		ready: desc("ready", "1 while the worker does its work, 0 while it can't."),
		tasks: desc("tasks", "Tasks assigned to this worker."),
	}
	add := func(name, help string, value func(TaskStatus) (float64, bool)) {
		c.gauge = append(c.gauge, taskGauge{desc("task_"+name, help, "partition"), value})
	}
	add("lag_records", "Input offsets not processed yet.", func(t TaskStatus) (float64, bool) { return float64(t.Lag), t.Lag >= 0 })
	add("lag_seconds", "Age of the record processed last, where there is a lag.", func(t TaskStatus) (float64, bool) { return t.LagSeconds, true })
	add("frontier_seconds", "Arrival frontier, Unix time.", func(t TaskStatus) (float64, bool) {
		return float64(t.Frontier.UnixMilli()) / 1000, !t.Frontier.IsZero()
	})
	add("restoring", "1 while the state is being restored.", func(t TaskStatus) (float64, bool) {
		if t.Restoring {
			return 1, true
		}
		return 0, true
	})
	add("restored_offsets", "Changelog offsets read since the assignment.", func(t TaskStatus) (float64, bool) { return float64(t.Restored), true })
	add("restore_offsets", "Changelog offsets to read since the assignment.", func(t TaskStatus) (float64, bool) { return float64(t.ToRestore), true })
	add("state_bytes", "Size of the committed state.", func(t TaskStatus) (float64, bool) { return float64(t.StateBytes), true })
	return c
}

// Describe implements prometheus.Collector.
func (c *taskCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.ready
	to <- c.tasks
	for _, g := range c.gauge {
		to <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c *taskCollector) Collect(to chan<- prometheus.Metric) {
	s := c.w.Status()
	ready := 0.0
	if s.Ready {
		ready = 1
	}
	to <- prometheus.MustNewConstMetric(c.ready, prometheus.GaugeValue, ready)
	to <- prometheus.MustNewConstMetric(c.tasks, prometheus.GaugeValue, float64(len(s.Tasks)))
	for _, t := range s.Tasks {
		for _, g := range c.gauge {
			if v, known := g.value(t); known {
				to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, v, strconv.Itoa(int(t.Partition)))
			}
		}
	}
}

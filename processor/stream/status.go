package stream

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is a worker's state of the moment.
type Status struct {
	Stage string `json:"stage"`
	// Ready: the worker is a member of its group, every task that it was given
	// is restored, nothing stands still and transactions are committed.
	Ready bool `json:"ready"`
	// Detail says in words what the worker does or why it is not ready.
	Detail string `json:"detail,omitempty"`
	// Tasks are those assigned to this worker, by partition.
	Tasks []TaskStatus `json:"tasks"`
	// Lag counts the input offsets of the tasks that are not processed yet; -1
	// while unknown.
	Lag int64 `json:"lag_records"`
	// LagSeconds is the greatest of the tasks.
	LagSeconds float64 `json:"lag_seconds"`
	// Frontier is the least arrival frontier of the tasks; zero while unknown.
	Frontier    time.Time `json:"frontier,omitzero"`
	StateBytes  int64     `json:"state_bytes"`
	Commits     int64     `json:"commits"`
	Aborts      int64     `json:"aborts"`
	Late        int64     `json:"late"`
	DeadLetters int64     `json:"dead_letters"`
	// LastError stays after the worker has recovered; ErrorAt tells when it was.
	LastError string    `json:"last_error,omitempty"`
	ErrorAt   time.Time `json:"error_at,omitzero"`
}

// TaskStatus is the state of one task.
type TaskStatus struct {
	Partition int32 `json:"partition"`
	// Restoring is set until the task's state is level with its changelog.
	Restoring bool `json:"restoring,omitempty"`
	// Restored of ToRestore changelog offsets were read since the assignment.
	Restored  int64 `json:"restored"`
	ToRestore int64 `json:"to_restore"`
	// Position is the next input offset.
	Position int64 `json:"position"`
	// Lag counts the input offsets from Position to the end; -1 while unknown.
	Lag int64 `json:"lag_records"`
	// LagSeconds is how old the record processed last is, where there is a lag.
	LagSeconds float64 `json:"lag_seconds"`
	// Frontier is the task's arrival frontier; zero while unknown.
	Frontier    time.Time `json:"frontier,omitzero"`
	StateBytes  int64     `json:"state_bytes"`
	Late        int64     `json:"late"`
	DeadLetters int64     `json:"dead_letters"`
}

// Status returns the worker's state.
func (w *Worker) Status() Status {
	w.mu.Lock()
	s, stuck := w.status, w.stuck
	s.Tasks = slices.Clone(s.Tasks)
	w.mu.Unlock()
	if stuck != "" {
		s.Ready, s.Detail = false, stuck
	}
	s.Lag, s.LagSeconds = 0, 0
	for i := range s.Tasks {
		t := &s.Tasks[i]
		t.StateBytes = w.db.sizeBytes(t.Partition)
		s.StateBytes += t.StateBytes
		s.LagSeconds = max(s.LagSeconds, t.LagSeconds)
		if t.Lag < 0 || s.Lag < 0 {
			s.Lag = -1
		} else {
			s.Lag += t.Lag
		}
	}
	return s
}

func (w *Worker) commits() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status.Commits
}

func (w *Worker) update(f func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.status)
}

func (w *Worker) setStuck(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = what
}

// setError tells of a failure that is followed by another attempt.
func (w *Worker) setError(doing string, err error) {
	w.update(func(s *Status) {
		s.Ready = false
		s.Detail = doing
		s.LastError, s.ErrorAt = err.Error(), w.cfg.Clock()
	})
}

const (
	// reportInterval is how often the loop tells of its tasks.
	reportInterval = 100 * time.Millisecond
	// silence is how long Kafka may not answer before a worker is unready.
	silence = 15 * time.Second
)

// report tells the worker's status of the tasks and of what holds them up.
func (s *session) report(force bool) {
	now := time.Now()
	if !force && now.Sub(s.reported) < reportInterval {
		return
	}
	s.reported = now
	ends := s.ends.Load()
	tasks, moved := s.restoringTasks()
	restoring := len(tasks) - s.refused
	for _, t := range s.tasks {
		tasks = append(tasks, t.status(ends, s.w.cfg.Clock()))
	}
	slices.SortFunc(tasks, func(a, b TaskStatus) int { return int(a.Partition - b.Partition) })
	var problems []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	add(!s.joined.Load(), "joining group %s", s.w.stage.Name)
	add(restoring > 0, "restoring the state of %d tasks", restoring)
	add(restoring > 0 && now.Sub(moved) > silence, "no progress there for %s: a transaction that a dead worker left open is waited for", now.Sub(moved).Round(time.Second))
	add(s.refused > 0, "%d tasks can't be made", s.refused)
	add(s.failures > 0, "%d transactions in a row have failed", s.failures)
	add(now.Sub(s.answered()) > silence, "Kafka has not answered for %s", now.Sub(s.answered()).Round(time.Second))
	s.w.update(func(st *Status) {
		st.Tasks = tasks
		st.Ready, st.Detail = len(problems) == 0, strings.Join(problems, ", ")
		if st.Ready && len(tasks) == 0 {
			st.Detail = "standing by: other members of the group have all partitions"
		}
		st.Frontier = time.Time{}
		for i, t := range tasks {
			if i == 0 || t.Frontier.Before(st.Frontier) {
				st.Frontier = t.Frontier // zero, unknown, is the least
			}
		}
	})
}

// restoringTasks are the tasks whose state is not level yet, and when the last of
// them got on.
func (s *session) restoringTasks() (tasks []TaskStatus, moved time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, a := range s.assigned {
		if s.owners[p] != a {
			if at := time.Unix(0, a.moved.Load()); at.After(moved) {
				moved = at
			}
			tasks = append(tasks, TaskStatus{Partition: p, Restoring: true, Lag: -1,
				Restored: a.restoredOffsets.Load(), ToRestore: a.toRestore.Load()})
		}
	}
	return tasks, moved
}

// answered is when Kafka answered last.
func (s *session) answered() time.Time {
	if e := s.ends.Load(); e != nil {
		return e.at
	}
	return s.started
}

func (t *taskRunner) status(ends *inputEnds, now time.Time) TaskStatus {
	st := TaskStatus{
		Partition: t.partition, Position: t.clock.position, Lag: -1, Frontier: t.Frontier(),
		Late: t.late, DeadLetters: t.deadLetters,
	}
	if a := t.s.owners[t.partition]; a != nil {
		st.Restored, st.ToRestore = a.restoredOffsets.Load(), a.toRestore.Load()
	}
	if ends != nil {
		if end, ok := ends.ends[t.partition]; ok {
			st.Lag = max(0, end-t.clock.position)
		}
	}
	if st.Lag > 0 && t.clock.lastMicro > 0 {
		st.LagSeconds = max(0, now.Sub(time.UnixMicro(t.clock.lastMicro)).Seconds())
	}
	return st
}

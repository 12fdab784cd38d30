package analytics

import (
	"fmt"
	"maps"
	"sync"
	"time"
)

// stuckAfter is how long a lane may have a lag and not move.
const stuckAfter = time.Minute

// SinkStatus tells how the sink is doing.
type SinkStatus struct {
	Lanes []LaneStatus `json:"lanes"`
}

// LaneStatus tells of one lane of a topic.
type LaneStatus struct {
	Topic string `json:"topic"`
	Lane  int    `json:"lane"`
	// Owned is false where this sink stands by for another one.
	Owned bool `json:"owned"`
	// Positions is how far the lane is in ClickHouse, by partition.
	Positions map[int32]int64 `json:"positions,omitempty"`
	// Lag is the number of offsets that are not in ClickHouse yet; -1 is unknown.
	Lag int64 `json:"lag"`
	// Newest is the Kafka timestamp of the newest record inserted by this run.
	Newest time.Time `json:"newest,omitzero"`
	// Error is the last failure, until something goes well again.
	Error string `json:"error,omitempty"`
	// Stuck is set when there is a lag and nothing has moved for a minute.
	Stuck bool `json:"stuck,omitempty"`
}

// Status returns the state of every lane.
func (s *Sink) Status() SinkStatus {
	var st SinkStatus
	for _, l := range s.lanes {
		st.Lanes = append(st.Lanes, l.state.status())
	}
	return st
}

// Freshness tells by table for how long what is in Kafka has not been in
// ClickHouse, of the lanes that are owned here.
func (s *Sink) Freshness(now time.Time) map[string]time.Duration {
	ages := map[string]time.Duration{}
	for _, l := range s.lanes {
		age, known := l.state.freshness(now)
		if !known {
			continue
		}
		for _, table := range l.target.names {
			ages[table] = max(ages[table], age)
		}
	}
	return ages
}

// Ready returns nil while every lane that is owned here gets on.
func (s *Sink) Ready() error {
	for _, l := range s.Status().Lanes {
		switch {
		case l.Error != "":
			return fmt.Errorf("sink lane %d of %s: %s", l.Lane, l.Topic, l.Error)
		case l.Stuck:
			return fmt.Errorf("sink lane %d of %s has not moved for a minute, lag %d", l.Lane, l.Topic, l.Lag)
		}
	}
	return nil
}

// laneState is what a lane tells of itself. It is safe for concurrent use.
type laneState struct {
	mu     sync.Mutex
	st     LaneStatus
	end    map[int32]int64
	change time.Time
	behind time.Time // since when there is something that is not in, zero: all is
}

func newLaneState(topic string, lane int) *laneState {
	return &laneState{st: LaneStatus{Topic: topic, Lane: lane, Lag: -1}}
}

func (s *laneState) begin(at map[int32]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Owned, s.st.Positions, s.change = true, maps.Clone(at), time.Now()
	s.reckon()
}

// moved tells that everything before at is in ClickHouse.
func (s *laneState) moved(at map[int32]int64, newest time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, o := range at {
		if s.st.Positions[p] != o {
			s.change = time.Now()
			s.st.Positions[p] = o
		}
	}
	if newest.After(s.st.Newest) {
		s.st.Newest = newest
	}
	s.st.Error = ""
	s.reckon()
}

// failed keeps an error and tells whether it is news.
func (s *laneState) failed(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.st.Error == ""
	s.st.Error = err.Error()
	return news
}

// standBy tells that the lane is not owned any more; err is what ended it for
// good, or nil.
func (s *laneState) standBy(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.st.Owned, s.st.Lag, s.st.Error = false, -1, ""
	if err != nil {
		s.st.Error = err.Error()
	}
}

// ends takes the lengths of the partitions, nil for unknown.
func (s *laneState) ends(at map[int32]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = at
	s.reckon()
}

func (s *laneState) reckon() {
	before := s.st.Lag
	s.st.Lag = -1
	if !s.st.Owned || s.end == nil {
		return
	}
	s.st.Lag = 0
	for p, o := range s.st.Positions {
		s.st.Lag += max(0, s.end[p]-o)
	}
	switch {
	case s.st.Lag == 0:
		s.behind = time.Time{}
	case s.behind.IsZero():
		s.behind = time.Now()
	}
	if before <= 0 && s.st.Lag > 0 {
		s.change = time.Now() // The lag begins now.
	}
}

func (s *laneState) status() LaneStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.st
	st.Positions = maps.Clone(st.Positions)
	st.Stuck = st.Owned && st.Lag > 0 && time.Since(s.change) > stuckAfter
	return st
}

// freshness is for how long what is in Kafka has not been in ClickHouse: the age
// of the newest record that is in, but no longer than something waits; 0 while
// nothing does, however long ago the last record came. It is unknown where the
// lane is not owned or Kafka does not tell.
func (s *laneState) freshness(now time.Time) (age time.Duration, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.Lag < 0 {
		return 0, false
	}
	if s.behind.IsZero() {
		return 0, true
	}
	since := s.behind
	if s.st.Newest.After(since) {
		since = s.st.Newest
	}
	return max(0, now.Sub(since)), true
}

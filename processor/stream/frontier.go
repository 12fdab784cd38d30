package stream

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// markerHeader marks a record that carries a stage's arrival frontier to the
// stage behind it. Its value is the marker, its key is empty.
const markerHeader = "posthorn-frontier"

// IsMarker tells whether rec is a frontier marker of the engine, which readers
// of internal topics other than the engine skip.
func IsMarker(rec *kgo.Record) bool {
	return len(rec.Headers) > 0 && rec.Headers[0].Key == markerHeader
}

// marker says how far tasks of the stage before have come. Everything they
// write that arrived earlier stands before the marker in its partition.
type marker struct {
	tasks     uint32 // number of tasks of that stage
	frontiers []taskFrontier
}

type taskFrontier struct {
	task  int32
	micro int64
}

func (m marker) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(m.tasks))
	b = binary.AppendUvarint(b, uint64(len(m.frontiers)))
	for _, f := range m.frontiers {
		b = binary.AppendUvarint(b, uint64(f.task))
		b = binary.AppendUvarint(b, uint64(f.micro))
	}
	return b
}

func decodeMarker(b []byte) (marker, error) {
	var m marker
	bad := false
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			bad = true
			return 0
		}
		b = b[n:]
		return v
	}
	m.tasks = uint32(next())
	count := next()
	if bad || count > uint64(len(b)) {
		return marker{}, fmt.Errorf("decoding frontier marker: malformed")
	}
	for range count {
		m.frontiers = append(m.frontiers, taskFrontier{int32(next()), int64(next())})
	}
	if bad || len(b) != 0 {
		return marker{}, fmt.Errorf("decoding frontier marker: malformed")
	}
	return m, nil
}

// sourceFrontiers combines the markers a task has received: its frontier is
// the minimum over all tasks of the stage before, unknown until each was heard.
// It is not kept over restarts: every upstream task repeats its marker.
type sourceFrontiers struct {
	tasks uint32
	by    map[int32]int64
}

func (s *sourceFrontiers) add(m marker) {
	if s.by == nil {
		s.by = map[int32]int64{}
	}
	s.tasks = max(s.tasks, m.tasks)
	for _, f := range m.frontiers {
		s.by[f.task] = max(s.by[f.task], f.micro)
	}
}

func (s *sourceFrontiers) micro() int64 {
	if s.tasks == 0 || len(s.by) < int(s.tasks) {
		return 0
	}
	var low int64
	for _, f := range s.by {
		if low == 0 || f < low {
			low = f
		}
	}
	return low
}

// idleAllowance is how far a partition that is read to its end counts as
// processed before the moment its end was asked for: the clocks of brokers
// differ a little.
const idleAllowance = 500 * time.Millisecond

// inputEnds is one answer to how long the partitions of a root stage's input
// are.
type inputEnds struct {
	asked time.Time // by the brokers' clock; zero while that is unknown
	at    time.Time // when the answer came
	ends  map[int32]int64
	// logEnds are those of the leaders' logs, for a root stage: ends and what
	// is written beyond, but not replicated and so not shown.
	logEnds map[int32]int64
	// hold is what Stage.Hold told before the question, 0 while it is unknown.
	hold int64
}

// hold keeps a root task's frontier from passing what is on its way to the input.
// What was told of it counts once the input was read as far as it was then, since
// what it speaks of stands before. It is not kept over restarts.
type hold struct {
	passed int64 // what counts, 0 while nothing does
	next   int64 // what will, once position has reached end
	end    int64
}

// limit takes notice of an answer and returns the frontier as far as it may go.
func (h *hold) limit(ends *inputEnds, partition int32, position, micro int64) int64 {
	if h.next == 0 && ends != nil && ends.hold > h.passed {
		if end, ok := ends.ends[partition]; ok {
			h.next, h.end = ends.hold, end
		}
	}
	if h.next != 0 && position >= h.end {
		h.passed, h.next = h.next, 0
	}
	return min(micro, h.passed)
}

// rootFrontier is the frontier of a task that reads the first topic.
// lastMicro is the log append time of the last record processed, 0 if none;
// allowance is in microseconds.
func rootFrontier(ends *inputEnds, partition int32, position, lastMicro, allowance int64) int64 {
	if ends != nil && !ends.asked.IsZero() {
		if end, ok := ends.logEnds[partition]; ok && position >= end {
			return max(lastMicro, ends.asked.UnixMicro()-allowance)
		}
	}
	return lastMicro
}

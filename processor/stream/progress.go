package stream

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Progress is what a frontier marker says: how far tasks of the stage before
// have come, of so many in all.
type Progress struct {
	Tasks     int
	Frontiers map[int32]time.Time
}

// ReadProgress reads a record for which [IsMarker] holds. It is for readers that
// judge from outside what a stage can have known.
func ReadProgress(rec *kgo.Record) (Progress, error) {
	m, err := decodeMarker(rec.Value)
	if err != nil {
		return Progress{}, err
	}
	p := Progress{Tasks: int(m.tasks), Frontiers: map[int32]time.Time{}}
	for _, f := range m.frontiers {
		p.Frontiers[f.task] = time.UnixMicro(f.micro).UTC()
	}
	return p, nil
}

// Record returns a marker that says p, without topic and partition: for tests of
// readers that run stages without the engine.
func (p Progress) Record() *kgo.Record {
	m := marker{tasks: uint32(p.Tasks)}
	for task, at := range p.Frontiers {
		m.frontiers = append(m.frontiers, taskFrontier{task, at.UnixMicro()})
	}
	return &kgo.Record{Value: m.encode(), Headers: []kgo.RecordHeader{{Key: markerHeader}}}
}

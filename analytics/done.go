package analytics

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Done returns how far a topic is in ClickHouse for certain, by partition, as
// the sinks have recorded it: every record before the offset is in. Half a
// second after the last record it is the topic's end. Partitions that were never
// read are missing.
func Done(ctx context.Context, admin *kadm.Client, topic string, lanes int) (map[int32]int64, error) {
	done := map[int32]int64{}
	l := &ledger{admin: admin, topic: topic}
	for lane := range max(1, lanes) {
		marks, err := l.marks(ctx, groupName(topic, lane))
		if err != nil {
			return nil, err
		}
		for p, m := range marks {
			done[p] = m.from
		}
	}
	return done, nil
}

package verify

import (
	"context"
	"testing"
	"time"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// How far campaigns are is what the markers say that they read: of all tasks before
// them, in all of their partitions, before the offsets that they have committed.
// How far engagement is it says itself.
func TestFrontiersOfMarkers(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(1_800_000_000+s, 0) }
	type marker struct {
		partition int32
		tasks     int
		by        map[int32]int64
	}
	all := func(s ...int64) (m []marker) {
		for p := range int32(partitions) {
			by := map[int32]int64{}
			for task, at := range s {
				by[int32(task)] = at
			}
			m = append(m, marker{p, len(s), by})
		}
		return m
	}
	for _, tt := range []struct {
		name          string
		before, after []marker // the commit
		least, most   int64    // 0: not known
		said          int64    // by engagement
	}{
		{name: "none"},
		{"the least of the tasks", all(70, 50), nil, 50, 50, 50},
		{"the latest", append(all(10, 5), all(70, 50)...), nil, 50, 50, 50},
		{"after the commit", all(10, 5), all(70, 50), 5, 50, 50},
		{"after the commit alone", nil, all(70, 50), 0, 50, 50},
		{"in parts", append(all(10), marker{0, 2, map[int32]int64{1: 20}}, marker{1, 2, map[int32]int64{1: 30}}, marker{2, 2, map[int32]int64{1: 7}}), nil, 7, 10, 10},
		{"a task that is not heard", append(all(10), marker{1, 2, map[int32]int64{0: 90}}), nil, 0, 0, 0},
		{"the least of the partitions", append(all(10, 10), marker{1, 2, map[int32]int64{0: 90, 1: 80}}), nil, 10, 80, 80},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			write := func(markers []marker) {
				for _, m := range markers {
					said := stream.Progress{Tasks: m.tasks, Frontiers: map[int32]time.Time{}}
					for task, s := range m.by {
						said.Frontiers[task] = at(s)
					}
					rec := said.Record()
					rec.Topic, rec.Partition = schemas.TopicCampaignDeltas, m.partition
					w.produce(rec)
				}
			}
			write(tt.before)
			w.commitAll()
			write(tt.after)
			v := &verifier{cfg: Config{Kafka: w.kafka, Steps: Steps(schemas.FirstGeneration)}, adm: w.adm, report: newReport()}
			ctx := context.Background()
			if err := v.noteLeast(ctx); err != nil {
				t.Fatal(err)
			}
			if err := v.noteMost(ctx); err != nil {
				t.Fatal(err)
			}
			want := unknownFrontier
			if tt.least != 0 {
				want.least = schemas.FromTime(at(tt.least))
			}
			if tt.most != 0 {
				want.most = schemas.FromTime(at(tt.most))
			}
			if v.frontiers.campaign != want {
				t.Errorf("got %+v, want %+v", v.frontiers.campaign, want)
			}
			if got := v.frontiers.engagement.least; tt.said != 0 && got != schemas.FromTime(at(tt.said)) || tt.said == 0 && got != 0 {
				t.Errorf("engagement is at %s", got)
			}
		})
	}
}

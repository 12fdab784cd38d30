package verify

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// frontier is how far a stage was in arrival time. What is due by least has been
// decided before the outputs were read, what is due after most can't have been;
// in between nobody outside knows.
type frontier struct{ least, most schemas.Timestamp }

// unknownFrontier tells nothing: a decision that takes a frontier may have been
// made and may not.
var unknownFrontier = frontier{0, math.MaxInt64}

// decided tells what a stage must have done, and undecided what it can't have. At
// the frontier itself more may come that arrives just then.
func (f frontier) decided(due schemas.Timestamp) bool   { return due < f.least || due == 0 }
func (f frontier) undecided(due schemas.Timestamp) bool { return due > f.most }

// stageFrontiers are those that triggers are decided by.
type stageFrontiers struct {
	engagement, campaign frontier
}

// frontierTopics are the topics whose markers a stage takes its frontier from.
func (v *verifier) frontierTopics() map[string]*frontier {
	return map[string]*frontier{
		v.topic(schemas.TopicEventsByRecipient): &v.frontiers.engagement,
		v.topic(schemas.TopicCampaignDeltas):    &v.frontiers.campaign,
	}
}

// noteLeast finds out how far the stages are at least, now that they have passed
// the cut: each has decided what the markers say before the offsets that it has
// committed.
func (v *verifier) noteLeast(ctx context.Context) error {
	for topic, f := range v.frontierTopics() {
		*f = unknownFrontier
		i := slices.IndexFunc(v.cfg.Steps, func(s Step) bool { return s.Topic == topic })
		if i < 0 {
			continue
		}
		start, end, err := bounds(ctx, v.adm, topic)
		if err != nil {
			return err
		}
		at, err := v.committed(ctx, v.cfg.Steps[i])
		if err != nil {
			return err
		}
		for p := range end {
			end[p] = max(start[p], min(end[p], at[p]))
		}
		all, err := v.markers(ctx, topic, start, end)
		if err != nil {
			return err
		}
		f.least = math.MaxInt64
		for p := range end {
			f.least = min(f.least, all[p].frontier())
		}
	}
	if len(v.cfg.Rules.Rules()) > 0 {
		v.report.Decided = min(v.frontiers.engagement.least, v.frontiers.campaign.least)
	}
	return nil
}

// noteMost finds out how far the stages can be at most, now that the triggers
// were read.
func (v *verifier) noteMost(ctx context.Context) error {
	for topic, f := range v.frontierTopics() {
		start, end, err := bounds(ctx, v.adm, topic)
		if err != nil {
			return err
		}
		all, err := v.markers(ctx, topic, start, end)
		if err != nil {
			return err
		}
		f.most = 0
		for p := range end {
			most := all[p].frontier()
			if most == 0 {
				most = math.MaxInt64 // no markers any more
			}
			f.most = max(f.most, most)
		}
	}
	return nil
}

// heard is what the markers of one partition have said together.
type heardMarkers struct {
	tasks int
	by    map[int32]schemas.Timestamp
}

// frontier is the least over the tasks of the stage before; 0 while one of them
// was not heard.
func (h *heardMarkers) frontier() schemas.Timestamp {
	if h == nil || h.tasks == 0 || len(h.by) < h.tasks {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(h.by)))
}

// markers reads the markers before end. The latest say it all, so they are looked
// for in the last quarter of a minute first (an idle stage writes one in ten
// seconds), then further back.
func (v *verifier) markers(ctx context.Context, topic string, start, end offsets) (map[int32]*heardMarkers, error) {
	for span := 15 * time.Second; ; span *= 16 {
		from, err := v.back(ctx, topic, span, start, end)
		if err != nil {
			return nil, err
		}
		all, err := v.readMarkers(ctx, topic, from, end)
		if err != nil {
			return nil, err
		}
		complete := true
		for p := range end {
			complete = complete && (all[p].frontier() > 0 || from[p] <= start[p])
		}
		if complete {
			return all, nil
		}
	}
}

// back returns the offsets that lie a span before end, in time of writing.
func (v *verifier) back(ctx context.Context, topic string, span time.Duration, start, end offsets) (offsets, error) {
	listed, err := v.adm.ListOffsetsAfterMilli(ctx, time.Now().Add(-span).UnixMilli(), topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("asking where the last %s of %s begin: %w", span, topic, err)
	}
	from := offsets{}
	for p, to := range end {
		from[p] = to
		if o, ok := listed.Lookup(topic, p); ok && o.Offset >= 0 {
			from[p] = min(to, o.Offset)
		}
		from[p] = max(start[p], from[p])
	}
	return from, nil
}

func (v *verifier) readMarkers(ctx context.Context, topic string, from, end offsets) (map[int32]*heardMarkers, error) {
	all := map[int32]*heardMarkers{}
	err := v.readAny(ctx, topic, from, end, func(rec *kgo.Record) error {
		if !stream.IsMarker(rec) {
			return nil
		}
		said, err := stream.ReadProgress(rec)
		if err != nil {
			return err
		}
		h := all[rec.Partition]
		if h == nil {
			h = &heardMarkers{by: map[int32]schemas.Timestamp{}}
			all[rec.Partition] = h
		}
		h.tasks = max(h.tasks, said.Tasks)
		for task, at := range said.Frontiers {
			h.by[task] = max(h.by[task], schemas.FromTime(at))
		}
		return nil
	})
	return all, err
}

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

// noteLeast finds out how far the stages are at least, now that they have passed
// the cut. Engagement says so itself, in the markers that it writes for campaigns.
// Nobody reads what campaigns would say: they have come to what they have read
// before the offsets that they have committed. While more is due there than fits
// into a transaction that is too much.
func (v *verifier) noteLeast(ctx context.Context) error {
	v.frontiers = stageFrontiers{unknownFrontier, unknownFrontier}
	topic := v.topic(schemas.TopicCampaignDeltas)
	start, end, err := bounds(ctx, v.adm, topic)
	if err != nil {
		return err
	}
	said, err := v.markers(ctx, topic, start, end)
	if err != nil {
		return err
	}
	together := &heardMarkers{by: map[int32]schemas.Timestamp{}}
	for _, h := range said {
		together.add(h.tasks, h.by)
	}
	v.frontiers.engagement.least = together.frontier()
	i := slices.IndexFunc(v.cfg.Steps, func(s Step) bool { return s.Topic == topic })
	if i < 0 {
		return nil
	}
	at, err := v.committed(ctx, v.cfg.Steps[i])
	if err != nil {
		return err
	}
	for p := range end {
		end[p] = max(start[p], min(end[p], at[p]))
	}
	if said, err = v.markers(ctx, topic, start, end); err != nil {
		return err
	}
	least := schemas.Timestamp(math.MaxInt64)
	for p := range end {
		least = min(least, said[p].frontier())
	}
	v.frontiers.campaign.least = least
	if len(v.cfg.Rules.Rules()) > 0 {
		v.report.Decided = min(v.frontiers.engagement.least, least)
	}
	return nil
}

// noteMost finds out how far the stages can be at most, now that the triggers
// were read: as far as what they read says.
func (v *verifier) noteMost(ctx context.Context) error {
	for topic, f := range map[string]*frontier{
		v.topic(schemas.TopicEventsByRecipient): &v.frontiers.engagement,
		v.topic(schemas.TopicCampaignDeltas):    &v.frontiers.campaign,
	} {
		start, end, err := bounds(ctx, v.adm, topic)
		if err != nil {
			return err
		}
		said, err := v.markers(ctx, topic, start, end)
		if err != nil {
			return err
		}
		f.most = 0
		for p := range end {
			most := said[p].frontier()
			if most == 0 {
				most = math.MaxInt64 // there are no markers any more
			}
			f.most = max(f.most, most)
		}
	}
	return nil
}

// heardMarkers is what markers have said together.
type heardMarkers struct {
	tasks int
	by    map[int32]schemas.Timestamp
}

func (h *heardMarkers) add(tasks int, by map[int32]schemas.Timestamp) {
	h.tasks = max(h.tasks, tasks)
	for task, at := range by {
		h.by[task] = max(h.by[task], at)
	}
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
		frontiers := map[int32]schemas.Timestamp{}
		for task, at := range said.Frontiers {
			frontiers[task] = schemas.FromTime(at)
		}
		h.add(said.Tasks, frontiers)
		return nil
	})
	return all, err
}

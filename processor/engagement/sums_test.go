package engagement

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// sums are what the breakdown deltas add up to.
type sums struct {
	cells      map[cellKey]schemas.Counters // not zero
	recipients map[recipientKey]recipientSum
}

type cellKey struct {
	tenant, campaign string
	dimension        schemas.Dimension
	value, detail    string
	basis            schemas.Basis
	start            schemas.Timestamp
}

type recipientKey struct {
	tenant string
	id     schemas.ID
}

type recipientSum struct {
	domain                                               string
	counters                                             schemas.Counters
	firstEvent, lastEvent, lastSent, lastOpen, lastClick schemas.Timestamp
}

func newSums() sums {
	return sums{map[cellKey]schemas.Counters{}, map[recipientKey]recipientSum{}}
}

func (s *sums) add(k cellKey, n *schemas.Counters) {
	sum := s.cells[k]
	sum.Add(n)
	if s.cells[k] = sum; sum == (schemas.Counters{}) {
		delete(s.cells, k)
	}
}

// collect adds a record, as ClickHouse does.
func (s *sums) collect(h *harness, rec *kgo.Record) {
	h.Helper()
	var d schemas.BreakdownDelta
	h.decode(rec, &d)
	if want := d.Tenant + "/" + d.CampaignID; string(rec.Key) != want {
		h.Errorf("breakdown with key %s, want %s", rec.Key, want)
	}
	if len(d.Cells) > 4096 || len(d.Recipients) > 8192 || len(d.Cells)+len(d.Recipients) == 0 {
		h.Errorf("a breakdown of %d cells and %d recipients", len(d.Cells), len(d.Recipients))
	}
	seen := map[cellKey]bool{}
	for i := range d.Cells {
		c := &d.Cells[i]
		k := cellKey{d.Tenant, d.CampaignID, c.Dimension, c.Value, c.Detail, c.Basis, c.WindowStart}
		if seen[k] || c.Counters == (schemas.Counters{}) {
			h.Errorf("cell %v comes again, or changes nothing", k)
		}
		seen[k] = true
		above := slices.Contains([]schemas.Dimension{schemas.DimensionTenant, schemas.DimensionAccount, schemas.DimensionSource, schemas.DimensionList}, c.Dimension)
		if above && c.Basis.Windowed() && c.WindowStart+windowLength+h.retention <= h.frontier {
			h.Errorf("window %v has changed after it was closed", k)
		}
		s.add(k, &c.Counters)
	}
	for i := range d.Recipients {
		r := &d.Recipients[i]
		k := recipientKey{d.Tenant, r.RecipientID}
		sum, known := s.recipients[k]
		sum.counters.Add(&r.Counters)
		sum.domain = max(sum.domain, r.RecipientDomain)
		if !known || r.FirstEventAt < sum.firstEvent {
			sum.firstEvent = r.FirstEventAt
		}
		sum.lastEvent, sum.lastSent = max(sum.lastEvent, r.LastEventAt), max(sum.lastSent, r.LastSentAt)
		sum.lastOpen, sum.lastClick = max(sum.lastOpen, r.LastOpenedAt), max(sum.lastClick, r.LastClickedAt)
		s.recipients[k] = sum
	}
}

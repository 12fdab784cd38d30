package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/posthorn/posthorn/schemas"
)

// takeDelta spills what a record of posthorn.breakdown-deltas changes.
func (v *verifier) takeDelta(d *schemas.BreakdownDelta) error {
	for i := range d.Cells {
		c := &d.Cells[i]
		k := cellKey{d.Tenant, c.Dimension.String(), d.CampaignID, c.Value, c.Detail, c.Basis.String(), c.WindowStart}
		if err := v.putCell(kindFoundCell, k, &c.Counters); err != nil {
			return err
		}
	}
	for i := range d.Recipients {
		if d.CampaignID != "" {
			v.report.surplus(v.report.check(checkRecipients), "recipient %s is in a record of campaign %s/%s: recipients belong to none",
				d.Recipients[i].RecipientID, d.Tenant, d.CampaignID)
		}
		if err := v.putPerson(kindFoundRecipient, d.Tenant, &d.Recipients[i]); err != nil {
			return err
		}
	}
	return nil
}

// whole tells whether all of a topic is still there, from its beginning.
func (v *verifier) whole(topic string) bool { return v.extents[topic].start.sum() == 0 }

// sides are which of three accounts of the breakdowns can be compared: those that
// the verifier has worked out, those of the topic and those of the tables.
type sides struct{ own, topic, table bool }

// sidesOf tells what is complete. What was counted before is unknown where the
// deltas of it have been deleted, and what was counted of messages whose events
// have been deleted, webhooks and all.
func (v *verifier) sidesOf() sides {
	return sides{own: v.whole(schemas.TopicEvents), topic: v.whole(schemas.TopicBreakdownDeltas), table: v.tablesRead}
}

// compareBreakdowns compares cells and recipients, bucket by bucket.
func (v *verifier) compareBreakdowns(ctx context.Context) error {
	s := v.sidesOf()
	for _, name := range []string{checkBreakdowns, checkRecipients} {
		check := v.report.check(name)
		switch {
		case !s.topic:
			check.Note = "skipped: older deltas were deleted by retention"
		case !s.own:
			check.Note = "skipped: older events were deleted by retention"
		}
		if s.table && !s.topic && !s.own {
			v.tableCheck(name).Note = "skipped: older deltas and events were deleted by retention"
		}
	}
	for i := range v.buckets {
		v.progress("comparing breakdowns", int64(i), int64(v.buckets))
		if err := errors.Join(ctx.Err(), v.compareCells(i, s), v.comparePeople(i, s)); err != nil {
			return err
		}
	}
	v.progress("comparing breakdowns", int64(v.buckets), int64(v.buckets))
	return nil
}

// tableCheck is the check of the table that holds what another check compares.
// They have the same names.
func (v *verifier) tableCheck(name string) *Check { return v.report.check("ClickHouse " + name) }

// cell is one cell by each account; nil where it has none of it.
type cell struct{ wanted, found, row *schemas.Counters }

func (v *verifier) compareCells(i int, s sides) error {
	cells := map[cellKey]*cell{}
	err := v.cells.each(i, func(kind kind, value []byte) error {
		k, counters, err := decodeCell(value)
		if err != nil {
			return err
		}
		c := cells[k]
		if c == nil {
			c = new(cell)
			cells[k] = c
		}
		to := &c.wanted
		switch kind {
		case kindFoundCell:
			to = &c.found
		case kindCellRow:
			to = &c.row
		}
		if *to == nil {
			*to = new(schemas.Counters)
		}
		sum(*to, &counters)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading cells of bucket %d: %w", i, err)
	}
	for k, c := range cells {
		touched := v.touchedCampaigns[[2]string{k.tenant, k.campaign}]
		if s.own && s.topic {
			v.compareCell(v.report.check(checkBreakdowns), k, c.wanted, c.found, touched)
		}
		switch {
		case !s.table:
		case s.topic:
			v.compareCell(v.tableCheck(checkBreakdowns), k, c.found, c.row, false)
		case s.own:
			v.compareCell(v.tableCheck(checkBreakdowns), k, c.wanted, c.row, touched)
		}
	}
	return nil
}

// compareCell compares what a cell should be with what it is. Where all changes
// have cancelled out there may be nothing.
func (v *verifier) compareCell(check *Check, k cellKey, wanted, found *schemas.Counters, touched bool) {
	none := func(c *schemas.Counters) bool { return c == nil || *c == schemas.Counters{} }
	switch {
	case none(wanted) && none(found):
		return
	case touched:
		check.Skipped++
		return
	case none(found):
		check.Expected++
		v.report.missing(check, "%s is missing: %s", k, diff(wanted, &schemas.Counters{}))
		return
	case none(wanted):
		check.Found++
		v.report.surplus(check, "%s is unexpected: %s", k, diff(&schemas.Counters{}, found))
		return
	}
	check.Expected, check.Found = check.Expected+1, check.Found+1
	if *wanted != *found {
		v.report.differ(check, "%s: %s", k, diff(wanted, found))
	}
}

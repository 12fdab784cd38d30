package verify

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

// breakdownWorld has messages of several lives, folded events, machines, several
// sources and lists, and what the stages make of them.
func breakdownWorld(t *testing.T) (w *world, out map[string][]*kgo.Record, end schemas.Timestamp) {
	w = kindsWorld(t, 5, 60, 700)
	w.horizon, w.retention = 60*time.Hour, 30*time.Hour
	out, end = w.runKinds(5, 500*time.Hour)
	return w, out, end
}

// mapDeltas changes the deltas; f returns how many records there are to be of one.
func (w *world) mapDeltas(out map[string][]*kgo.Record, f func(*schemas.BreakdownDelta) int) map[string][]*kgo.Record {
	changed := maps.Clone(out)
	changed[schemas.TopicBreakdownDeltas] = nil
	for _, rec := range out[schemas.TopicBreakdownDeltas] {
		copies := 0
		rec := change(w, rec, func(d *schemas.BreakdownDelta) { copies = f(d) })
		for range copies {
			changed[schemas.TopicBreakdownDeltas] = append(changed[schemas.TopicBreakdownDeltas], rec)
		}
	}
	return changed
}

// onCells changes one cell of each dimension that is not zero.
func onCells(of []schemas.Dimension, f func(*schemas.BreakdownCell)) func(*schemas.BreakdownDelta) int {
	done := map[schemas.Dimension]bool{}
	return func(d *schemas.BreakdownDelta) int {
		for i := range d.Cells {
			c := &d.Cells[i]
			if slices.Contains(of, c.Dimension) && !done[c.Dimension] {
				done[c.Dimension] = true
				f(c)
			}
		}
		return 1
	}
}

var allDimensions = func() (all []schemas.Dimension) {
	for d := schemas.DimensionTenant; d <= schemas.DimensionPath; d++ {
		all = append(all, d)
	}
	return all
}()

// The world of these tests has cells of all kinds in it.
func TestBreakdownsOfAllKindsAgree(t *testing.T) {
	w, out, end := breakdownWorld(t)
	report := w.verifyAs(t, out, end)
	if report.Differences() != 0 {
		t.Fatal(problems(report))
	}
	seen := map[string]bool{}
	w.mapDeltas(out, func(d *schemas.BreakdownDelta) int {
		for _, c := range d.Cells {
			seen[c.Dimension.String()] = true
			seen[c.Dimension.String()+" "+c.Basis.String()] = true
			if c.Dimension >= schemas.DimensionDomain && c.WindowStart == 0 {
				seen["a cell of no day"] = true
			}
			seen[c.Dimension.String()+" value "+c.Value] = true
			if c.Dimension == schemas.DimensionLink && c.Value == "" && c.Counters.Clicks > 1 {
				seen["folded clicks"] = true
			}
		}
		return 1
	})
	for _, want := range []string{
		"tenant event_time_late", "source send_time_late", "list event_time", "list send_time_late", "account lifetime", "source value backup", "list value 7",
		"domain", "reason", "link", "folded clicks", "country value FR", "country value ", "client value Outlook",
		"os value iOS", "device value mobile", "machine value machine", "machine value proxy", "machine value unknown", "open_delay", "click_delay",
		"age value sent", "age value 1", "path value none",
	} {
		if !seen[want] {
			t.Errorf("the world has no %s", want)
		}
	}
	if seen["a cell of no day"] {
		t.Error("a message is of no day")
	}
}

// A wrong counter in any dimension is found, and described.
func TestTamperedCellsAreDetected(t *testing.T) {
	w, out, end := breakdownWorld(t)
	for _, half := range [][]schemas.Dimension{allDimensions[:8], allDimensions[8:]} {
		report := w.verifyAs(t, w.mapDeltas(out, onCells(half, func(c *schemas.BreakdownCell) { c.Counters.ClickDelayMS += 7 })), end)
		onlyIn(t, report, checkBreakdowns, 8, 8)
		for _, d := range half {
			if !strings.Contains(strings.Join(report.Details, "\n"), "breakdowns: "+d.String()+" of default") {
				t.Errorf("nothing is said of %s:\n%s", d, problems(report))
			}
		}
	}
	if report := w.verifyAs(t, w.mapDeltas(out, onCells(allDimensions[6:7], func(c *schemas.BreakdownCell) { c.Counters.Clicks++ })), end); !strings.Contains(problems(report),
		", value \"https://shop.example/") || !strings.Contains(problems(report), ", want ") {
		t.Error(problems(report))
	}
}

// A cell or a record elsewhere than it belongs, missing or doubled is found.
func TestMisplacedCellsAreDetected(t *testing.T) {
	w, out, end := breakdownWorld(t)
	age := []schemas.Dimension{schemas.DimensionAge}
	for name, c := range map[string]struct {
		tamper          func(*schemas.BreakdownDelta) int
		atLeast, atMost int64
	}{
		"of another value":     {onCells(age, func(c *schemas.BreakdownCell) { c.Value = "77" }), 2, 2},
		"of another detail":    {onCells(age, func(c *schemas.BreakdownCell) { c.Detail = "x" }), 2, 2},
		"of another basis":     {onCells(age, func(c *schemas.BreakdownCell) { c.Basis = schemas.BasisEventTime }), 2, 2},
		"of another day":       {onCells(age, func(c *schemas.BreakdownCell) { c.WindowStart += dayLength }), 2, 2},
		"of another dimension": {onCells(age, func(c *schemas.BreakdownCell) { c.Dimension = schemas.DimensionPath }), 2, 2},
		"of no dimension":      {onCells(age, func(c *schemas.BreakdownCell) { c.Dimension = schemas.DimensionUnknown }), 2, 2},
		"gone":                 {onCells(age, func(c *schemas.BreakdownCell) { c.Counters = schemas.Counters{} }), 1, 1},
		"of another campaign": {once(func(d *schemas.BreakdownDelta) bool {
			return d.CampaignID == "spring" && len(d.Cells) > 0
		}, func(d *schemas.BreakdownDelta) int { d.CampaignID = "spring2"; return 1 }), 2, 1000},
		"of another tenant": {once(func(d *schemas.BreakdownDelta) bool {
			return d.CampaignID == "spring" && len(d.Cells) > 0
		}, func(d *schemas.BreakdownDelta) int { d.Tenant = "other"; return 1 }), 2, 1000},
		"a record gone":    {once(func(d *schemas.BreakdownDelta) bool { return d.CampaignID != "" }, func(*schemas.BreakdownDelta) int { return 0 }), 1, 1000},
		"a record doubled": {once(func(d *schemas.BreakdownDelta) bool { return d.CampaignID != "" }, func(*schemas.BreakdownDelta) int { return 2 }), 1, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			onlyIn(t, w.verifyAs(t, w.mapDeltas(out, c.tamper), end), checkBreakdowns, c.atLeast, c.atMost)
		})
	}
}

// once changes the first record that is meant.
func once(is func(*schemas.BreakdownDelta) bool, f func(*schemas.BreakdownDelta) int) func(*schemas.BreakdownDelta) int {
	done := false
	return func(d *schemas.BreakdownDelta) int {
		if done || !is(d) {
			return 1
		}
		done = true
		return f(d)
	}
}

// onPeople changes the last delta of so many different recipients.
func onPeople(out map[string][]*kgo.Record, w *world, f ...func(*schemas.RecipientDelta)) map[string][]*kgo.Record {
	last := map[schemas.ID]int{}
	n := 0
	w.mapDeltas(out, func(d *schemas.BreakdownDelta) int {
		for i := range d.Recipients {
			last[d.Recipients[i].RecipientID] = n + i
		}
		n += len(d.Recipients)
		return 1
	})
	places := slices.Sorted(maps.Values(last))
	n = 0
	return w.mapDeltas(out, func(d *schemas.BreakdownDelta) int {
		for i := range d.Recipients {
			if at := slices.Index(places, n+i); at >= 0 && at < len(f) {
				f[at](&d.Recipients[i])
			}
		}
		n += len(d.Recipients)
		return 1
	})
}

// Whatever is wrong with a recipient is found.
func TestTamperedRecipientsAreDetected(t *testing.T) {
	w, out, end := breakdownWorld(t)
	far := schemas.FromTime(kindsBegin.Add(10000 * time.Hour))
	report := w.verifyAs(t, onPeople(out, w,
		func(r *schemas.RecipientDelta) { r.Counters.HumanOpens++ },
		func(r *schemas.RecipientDelta) { r.FirstEventAt = 1 },
		func(r *schemas.RecipientDelta) { r.LastEventAt = far },
		func(r *schemas.RecipientDelta) { r.LastSentAt = far },
		func(r *schemas.RecipientDelta) { r.LastOpenedAt, r.LastClickedAt = far, far },
	), end)
	onlyIn(t, report, checkRecipients, 5, 5)
	for _, name := range []string{"human_opens", "first_event_at", "last_event_at", "last_sent_at", "last_opened_at", "last_clicked_at"} {
		if !strings.Contains(problems(report), name+" is ") {
			t.Errorf("nothing is said of %s:\n%s", name, problems(report))
		}
	}
	for name, c := range map[string]struct {
		tamper func(*schemas.RecipientDelta)
		n      int64
	}{
		"another recipient": {func(r *schemas.RecipientDelta) { r.RecipientID[3] ^= 1 }, 2},
		"another domain":    {func(r *schemas.RecipientDelta) { r.RecipientDomain = "zoo.example" }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			onlyIn(t, w.verifyAs(t, onPeople(out, w, c.tamper), end), checkRecipients, c.n, c.n)
		})
	}
	t.Run("in a campaign", func(t *testing.T) {
		changed := maps.Clone(out)
		for _, rec := range out[schemas.TopicBreakdownDeltas] {
			var d schemas.BreakdownDelta
			if err := w.serde.Decode(rec.Value, &d); err != nil {
				t.Fatal(err)
			}
			if len(d.Recipients) == 0 {
				continue
			}
			moved := change(w, rec, func(d *schemas.BreakdownDelta) { d.CampaignID, d.Cells, d.Recipients = "spring", nil, d.Recipients[:1] })
			left := change(w, rec, func(d *schemas.BreakdownDelta) { d.Recipients = d.Recipients[1:] })
			changed[schemas.TopicBreakdownDeltas] = append(slices.DeleteFunc(slices.Clone(out[schemas.TopicBreakdownDeltas]), func(r *kgo.Record) bool { return r == rec }), moved, left)
			break
		}
		onlyIn(t, w.verifyAs(t, changed, end), checkRecipients, 1, 1)
	})
}

// Where deltas have been deleted, nothing is said of their sums.
func TestDeletedDeltasAreSkipped(t *testing.T) {
	w, out, end := breakdownWorld(t)
	w.write(out)
	w.writeMarkers(end)
	w.commitAll()
	w.deleteDeltas(t)
	report := w.verify(nil)
	if report.Differences() != 0 || !strings.Contains(report.check(checkBreakdowns).Note, "skipped: older deltas") || !strings.Contains(report.check(checkRecipients).Note, "skipped: older deltas") {
		t.Error(problems(report))
	}
}

// deleteDeltas deletes the first deltas, as retention does.
func (w *world) deleteDeltas(t *testing.T) {
	t.Helper()
	to := kadm.Offsets{}
	for p := range int32(partitions) {
		to.Add(kadm.Offset{Topic: schemas.TopicBreakdownDeltas, Partition: p, At: 2})
	}
	responses, err := w.adm.DeleteRecords(t.Context(), to)
	if err == nil {
		err = responses.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

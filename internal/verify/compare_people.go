package verify

import (
	"fmt"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// recipient is one recipient by each account; nil where it has none of it.
type recipient struct {
	wanted, limits, found, row *schemas.RecipientDelta
	touched                    bool
}

func (v *verifier) comparePeople(i int, s sides) error {
	all := map[recipientKey]*recipient{}
	err := v.people.each(i, func(kind kind, value []byte) error {
		var d schemas.BreakdownDelta
		if err := d.DecodeAvro(value); err != nil {
			return err
		}
		k := recipientKey{d.Tenant, d.Recipients[0].RecipientID}
		r := all[k]
		if r == nil {
			r = new(recipient)
			all[k] = r
		}
		switch kind {
		case kindTouchedRecipient:
			r.touched = true
		case kindWantedRecipient:
			r.wanted = &d.Recipients[0]
		case kindLimits:
			r.limits = &d.Recipients[0]
		case kindRecipientRow:
			r.row = &d.Recipients[0]
		case kindFoundRecipient:
			if r.found == nil {
				r.found = new(schemas.RecipientDelta)
			}
			addPerson(r.found, &d.Recipients[0])
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading recipients of bucket %d: %w", i, err)
	}
	for k, r := range all {
		if s.own && s.topic {
			v.comparePerson(v.report.check(checkRecipients), k, r.wanted, r.limits, r.found, r.touched)
		}
		switch {
		case !s.table:
		case s.topic:
			v.comparePerson(v.tableCheck(checkRecipients), k, asRow(r.found), asRow(r.found), r.row, false)
		case s.own:
			v.comparePerson(v.tableCheck(checkRecipients), k, asRow(r.wanted), asRow(r.limits), r.row, r.touched)
		}
	}
	return nil
}

// comparePerson compares what a recipient's sums should be with what they are.
func (v *verifier) comparePerson(check *Check, k recipientKey, wanted, limits, found *schemas.RecipientDelta, touched bool) {
	name := func() string { return "recipient " + k.tenant + "/" + k.id.String() }
	switch {
	case touched:
		check.Skipped++
		return
	case wanted == nil && found == nil:
		return
	case found == nil:
		check.Expected++
		v.report.missing(check, "%s is missing: %s", name(), diff(&wanted.Counters, &schemas.Counters{}))
		return
	case wanted == nil:
		check.Found++
		v.report.surplus(check, "%s is unexpected: %s", name(), diff(&schemas.Counters{}, &found.Counters))
		return
	}
	check.Expected, check.Found = check.Expected+1, check.Found+1
	var problems []string
	if wanted.Counters != found.Counters {
		problems = append(problems, diff(&wanted.Counters, &found.Counters))
	}
	if wanted.RecipientDomain != found.RecipientDomain {
		problems = append(problems, fmt.Sprintf("recipient_domain is %q, want %q", found.RecipientDomain, wanted.RecipientDomain))
	}
	problems = append(problems, times(wanted, limits, found)...)
	if problems != nil {
		v.report.differ(check, "%s: %s", name(), strings.Join(problems, ", "))
	}
}

// times compares first and last times: each must lie between what is so now and
// the farthest that any event told.
func times(wanted, limits, found *schemas.RecipientDelta) (problems []string) {
	for _, t := range []struct {
		name                 string
		wanted, limit, found schemas.Timestamp
	}{
		{"first_event_at", wanted.FirstEventAt, limits.FirstEventAt, found.FirstEventAt},
		{"last_event_at", wanted.LastEventAt, limits.LastEventAt, found.LastEventAt},
		{"last_sent_at", wanted.LastSentAt, limits.LastSentAt, found.LastSentAt},
		{"last_opened_at", wanted.LastOpenedAt, limits.LastOpenedAt, found.LastOpenedAt},
		{"last_clicked_at", wanted.LastClickedAt, limits.LastClickedAt, found.LastClickedAt},
	} {
		if t.found >= min(t.wanted, t.limit) && t.found <= max(t.wanted, t.limit) {
			continue
		}
		want := orUnknown(t.wanted)
		if t.limit != t.wanted {
			want += " or up to " + orUnknown(t.limit)
		}
		problems = append(problems, fmt.Sprintf("%s is %s, want %s", t.name, orUnknown(t.found), want))
	}
	return problems
}

func orUnknown(t schemas.Timestamp) string {
	if t == 0 {
		return "unknown"
	}
	return t.String()
}

// asRow is what the table keeps of a recipient: some of the counters, and times in
// seconds.
func asRow(d *schemas.RecipientDelta) *schemas.RecipientDelta {
	if d == nil {
		return nil
	}
	row := *d
	row.Counters = schemas.Counters{}
	for i, n := range recipientCounters(&row.Counters) {
		*n = *recipientCounters(&d.Counters)[i]
	}
	for _, t := range recipientTimes(&row) {
		*t = roundDown(*t, 1_000_000)
	}
	return &row
}

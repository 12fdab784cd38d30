package trigger

import "github.com/posthorn/posthorn/schemas"

// CountsEvent tells whether a count or a rate counts an event: as a hit, as part
// of the base. m holds the event's own facts.
func (r *Rule) CountsEvent(m *Message, e *Event) (hit, base bool) { return false, false }

// JudgeCount tells which occurrences of a count per message or recipient the
// counted events of one key satisfy. They may come in any order and are sorted.
func (r *Rule) JudgeCount(counted []Counted) []Firing { return nil }

// JudgeWindow judges a rule of a campaign on what the window before a boundary
// counted: whether it is raised now, and whether it fires.
func (r *Rule) JudgeWindow(raised bool, hits, base int64) (now, fires bool) { return false, false }

// WindowFiring is the firing of a rule of a campaign at a boundary, with what
// JudgeWindow said.
func (r *Rule) WindowFiring(boundary schemas.Timestamp, raised bool, hits, base int64) Firing {
	return Firing{}
}

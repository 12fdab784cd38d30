package trigger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// version is a hash of what the rule means, defaults among it: formatting and
// comments do not count, nor does a default that is written out.
func (r *Rule) version() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s", r.Name, r.meaning()))
	return hex.EncodeToString(sum[:8])
}

// meaning is all that the rule says, but its name.
func (r *Rule) meaning() string {
	text := fmt.Sprintf("%s event %s of %q duration %d wait %d every %d times %d per %q events %v base %v above %d clear %d minimum %d",
		r.Kind, r.Event, r.Of, r.Duration, r.Wait, r.Every, r.Times, r.Per, r.Events, r.Base, r.Above, r.ClearBelow, r.Minimum)
	for _, s := range r.Steps {
		text += fmt.Sprintf(" step %t %s %q", s.Send, s.Event, s.When)
	}
	text += fmt.Sprintf(" when %q once per %s cooldown %d max age %d settle %d human %t shadow %t sample %d limit %d call %q",
		r.When, r.OncePer, r.Cooldown, r.MaxAge, r.Settle, r.HumanOnly, r.Shadow, r.Sample, r.Limit, r.Call)
	if a := r.Active; a != nil {
		text += fmt.Sprintf(" active %v from %d to %d in %s skip %t", a.Days, a.From, a.To, a.Zone, a.Skip)
	}
	return text
}

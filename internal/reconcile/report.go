package reconcile

import (
	"time"

	"github.com/posthorn/posthorn/schemas"
)

// Report is what was found.
type Report struct {
	Source    string    `json:"source"`
	From      time.Time `json:"since"`
	To        time.Time `json:"until"`
	Tolerance int64     `json:"tolerance"`
	// Campaigns are all that either side has.
	Campaigns []Campaign `json:"campaigns"`
	// Hours are those in which the events of the whole API key differ.
	Hours []Hour `json:"hours"`
}

// Campaign is one with its counters.
type Campaign struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Note Note   `json:"note,omitempty"`
	// Counters are empty where Mailjet could not be asked.
	Counters []Line `json:"counters"`
	// Hours are those of the period in which its events differ, looked up only
	// where its counters do.
	Hours []Hour `json:"hours,omitempty"`

	ours      *schemas.Counters
	lastEvent time.Time
}

// Note is what a reader of the figures has to know.
type Note string

// The notes.
const (
	NotOurs   Note = "no webhook of it came"
	NotTheirs Note = "Mailjet has no such campaign under this API key"
	NoNumber  Note = "not compared: its id is not Mailjet's, the events name it only by its text"
	UnderWay  Note = "still under way: the two sides are read one after the other"
)

// Differences counts the counters that differ.
func (c *Campaign) Differences() int {
	n := 0
	for _, l := range c.Counters {
		if l.Differs {
			n++
		}
	}
	return n
}

// Differences counts what differs: counters of campaigns, and hours of the API key.
func (r *Report) Differences() int {
	n := len(r.Hours)
	for i := range r.Campaigns {
		n += r.Campaigns[i].Differences()
	}
	return n
}

// Missing counts the hours of the API key that lack webhooks.
func (r *Report) Missing() int {
	n := 0
	for _, h := range r.Hours {
		if h.Missing {
			n++
		}
	}
	return n
}

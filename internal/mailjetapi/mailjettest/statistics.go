package mailjettest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Statistics are what an account counts.
type Statistics struct {
	Campaigns []Campaign
	// Lifetime are the counters of campaigns, by message.
	Lifetime map[int64]Counters
	// Hours are the counters of hours, by event: of campaigns, and with the id 0 of
	// the whole API key.
	Hours map[int64]map[time.Time]Counters
}

// Campaign is one that was sent.
type Campaign struct {
	ID                   int64
	CustomValue, Subject string
	SendStartAt          time.Time
}

// Counters are those of the API, by name; others are 0.
type Counters map[string]int64

var counterNames = []string{
	"EventClickDelay", "EventClickedCount", "EventOpenDelay", "EventOpenedCount", "EventSpamCount", "EventUnsubscribedCount",
	"EventWorkflowExitedCount", "MessageBlockedCount", "MessageClickedCount", "MessageDeferredCount", "MessageHardBouncedCount",
	"MessageOpenedCount", "MessageQueuedCount", "MessageSentCount", "MessageSoftBouncedCount", "MessageSpamCount",
	"MessageUnsubscribedCount", "MessageWorkFlowExitedCount", "Total",
}

// SetStatistics sets what the account counts.
func (s *Server) SetStatistics(st Statistics) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statistics = st
}

const (
	countersPath  = "/v3/REST/statcounters"
	campaignsPath = "/v3/REST/campaign"
	// maxSlices bounds a period: 100 times the resolution.
	maxSlices = 100
)

// counters answers as the API's guide has it, and refuses what its reference
// excludes.
func (s *Server) counters(r *http.Request) (int, any) {
	q := r.URL.Query()
	if problem := unknown(q, "CounterSource", "CounterTiming", "CounterResolution", "SourceID", "FromTS", "ToTS", "Limit", "Offset"); problem != "" {
		return http.StatusBadRequest, problem
	}
	id, err := strconv.ParseInt(q.Get("SourceID"), 10, 64)
	switch source := q.Get("CounterSource"); {
	case source == "Campaign" && (err != nil || id == 0):
		return http.StatusBadRequest, "SourceID is missing"
	case source == "Campaign" && !s.has(id):
		return http.StatusNotFound, "Object not found"
	case source != "Campaign" && source != "APIKey":
		return http.StatusBadRequest, "CounterSource must be APIKey or Campaign"
	}
	switch timing := q.Get("CounterTiming") + " " + q.Get("CounterResolution"); timing {
	case "Message Lifetime":
		return page(q, []any{resource(id, "", s.statistics.Lifetime[id])})
	case "Event Hour":
		return s.hours(q, id)
	default:
		return http.StatusBadRequest, "CounterTiming and CounterResolution can't be " + timing
	}
}

func (s *Server) has(campaign int64) bool {
	return slices.ContainsFunc(s.statistics.Campaigns, func(c Campaign) bool { return c.ID == campaign })
}

func (s *Server) hours(q url.Values, id int64) (int, any) {
	from, to, ok := period(q)
	if !ok || to.Sub(from) > maxSlices*time.Hour {
		return http.StatusBadRequest, "The period is longer than 100 hours"
	}
	found := []any{}
	for at := from.Truncate(time.Hour); !at.After(to); at = at.Add(time.Hour) {
		if c, ok := s.statistics.Hours[id][at]; ok {
			found = append(found, resource(id, at.Format(time.RFC3339), c))
		}
	}
	return page(q, found)
}

func resource(id int64, slice string, c Counters) map[string]any {
	all := map[string]any{"APIKeyID": 1, "SourceID": id, "Timeslice": slice}
	for _, name := range counterNames {
		all[name] = c[name]
	}
	return all
}

func (s *Server) campaigns(r *http.Request) (int, any) {
	q := r.URL.Query()
	if problem := unknown(q, "FromTS", "ToTS", "Limit", "Offset"); problem != "" {
		return http.StatusBadRequest, problem
	}
	from, to, ok := period(q)
	if !ok {
		return http.StatusBadRequest, "FromTS or ToTS is no time"
	}
	found := []any{}
	for _, c := range s.statistics.Campaigns {
		if !c.SendStartAt.Before(from) && !c.SendStartAt.After(to) {
			found = append(found, map[string]any{"ID": c.ID, "CustomValue": c.CustomValue, "Subject": c.Subject, "SendStartAt": c.SendStartAt.Format(time.RFC3339), "IsDeleted": false})
		}
	}
	return page(q, found)
}

func unknown(q url.Values, known ...string) string {
	for name := range q {
		if !slices.Contains(known, name) {
			return fmt.Sprintf("Invalid filter %q", name)
		}
	}
	return ""
}

func period(q url.Values) (from, to time.Time, ok bool) {
	f, err := strconv.ParseInt(q.Get("FromTS"), 10, 64)
	t, err2 := strconv.ParseInt(q.Get("ToTS"), 10, 64)
	return time.Unix(f, 0).UTC(), time.Unix(t, 0).UTC(), err == nil && err2 == nil && f <= t
}

// page cuts what Limit and Offset ask for: 10 unasked, up to 1000.
func page(q url.Values, all []any) (int, any) {
	limit, offset := 10, 0
	for name, to := range map[string]*int{"Limit": &limit, "Offset": &offset} {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 || n > 1000 {
				return http.StatusBadRequest, name + " is out of range"
			}
			*to = n
		}
	}
	from := min(offset, len(all))
	return http.StatusOK, all[from:min(from+limit, len(all))]
}

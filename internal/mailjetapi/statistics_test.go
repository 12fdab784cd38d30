package mailjetapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/mailjetapi/mailjettest"
)

var monday = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func counting(t *testing.T) (*mailjettest.Server, *Client) {
	t.Helper()
	s := mailjettest.Start(t)
	st := mailjettest.Statistics{
		Lifetime: map[int64]mailjettest.Counters{7301: {"Total": 32, "MessageSentCount": 15, "EventOpenedCount": 11}},
		Hours:    map[int64]map[time.Time]mailjettest.Counters{0: {}, 7301: {}},
	}
	for i := range 1200 {
		st.Campaigns = append(st.Campaigns, mailjettest.Campaign{ID: int64(7301 + i), CustomValue: fmt.Sprint("c", i), SendStartAt: monday})
	}
	for i := range 7 * 24 {
		st.Hours[0][monday.Add(time.Duration(i)*time.Hour)] = mailjettest.Counters{"EventOpenedCount": int64(i)}
	}
	s.SetStatistics(st)
	return s, client(t, s)
}

func TestCountersAreReadInPagesAndPeriods(t *testing.T) {
	s, c := counting(t)
	all, err := c.Campaigns(t.Context(), monday, monday.Add(7*24*time.Hour))
	if err != nil || len(all) != 1200 || all[1199].ID != 8500 || all[1199].CustomValue != "c1199" {
		t.Errorf("%d campaigns, %v", len(all), err)
	}
	life, err := c.LifetimeCounters(t.Context(), 7301)
	if err != nil || life.Total != 32 || life.MessageSentCount != 15 || life.EventOpenedCount != 11 || life.SourceID != 7301 || !life.Timeslice.IsZero() {
		t.Errorf("%+v, %v", life, err)
	}
	hours, err := c.HourCounters(t.Context(), 0, monday, monday.Add(7*24*time.Hour))
	if err != nil || len(hours) != 7*24 {
		t.Fatalf("%d hours, %v", len(hours), err)
	}
	for i, h := range hours {
		if !h.Timeslice.Equal(monday.Add(time.Duration(i)*time.Hour)) || h.EventOpenedCount != int64(i) {
			t.Errorf("hour %d: %+v", i, h)
		}
	}
	want := []string{
		"GET /v3/REST/campaign?FromTS=1795392000&Limit=1000&ToTS=1795996800",
		"GET /v3/REST/campaign?FromTS=1795392000&Limit=1000&Offset=1000&ToTS=1795996800",
		"GET /v3/REST/statcounters?CounterResolution=Lifetime&CounterSource=Campaign&CounterTiming=Message&Limit=1000&SourceID=7301",
		"GET /v3/REST/statcounters?CounterResolution=Hour&CounterSource=APIKey&CounterTiming=Event&FromTS=1795392000&Limit=1000&ToTS=1795751999",
		"GET /v3/REST/statcounters?CounterResolution=Hour&CounterSource=APIKey&CounterTiming=Event&FromTS=1795752000&Limit=1000&ToTS=1795996799",
	}
	if got := s.Requests(); !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var answer *APIError
	if _, err := c.LifetimeCounters(t.Context(), 99); !errors.As(err, &answer) || answer.Status != http.StatusNotFound || !strings.Contains(err.Error(), "campaign 99") {
		t.Errorf("a campaign of nobody: %v", err)
	}
}

func TestCountersWaitAsLongAsTold(t *testing.T) {
	s, c := counting(t)
	s.RetryAfter("1")
	s.Fail(func(n int, _ *http.Request, after int) int {
		if after == 0 && n == 0 {
			return http.StatusTooManyRequests
		}
		return 0
	})
	began := time.Now()
	life, err := c.LifetimeCounters(t.Context(), 7301)
	if took := time.Since(began); err != nil || life.Total != 32 || took < time.Second {
		t.Errorf("%+v, %v after %s", life, err, took)
	}
	if n := len(s.Requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestTimeslices(t *testing.T) {
	for text, want := range map[string]time.Time{
		`"2026-11-23T00:00:00Z"`: monday, `"2026-11-23T01:00:00+01:00"`: monday, `"2026-11-23T00:00:00"`: monday,
		`"2026-11-23 00:00:00"`: monday, `1795392000`: monday, `"1795392000"`: monday, `""`: {}, `null`: {},
	} {
		var got Timeslice
		if err := got.UnmarshalJSON([]byte(text)); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if err := new(Timeslice).UnmarshalJSON([]byte(`"noon"`)); err == nil {
		t.Error("noon is taken")
	}
}

func TestAnswersThatAreTooLongEnd(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"Data":[` + strings.Repeat(" ", maxAnswer) + `]}`))
	}))
	defer server.Close()
	c, err := New(Config{PublicKey: "a", PrivateKey: "b", BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.LifetimeCounters(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "longer than 4194304 bytes") {
		t.Errorf("%v", err)
	}
}

package terminal

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/posthorn/posthorn/analytics"
)

func ptr[T any](v T) *T { return &v }

// Each answer as a table says what it holds, and an unknown figure is a dash.
func TestAnswers(t *testing.T) {
	rated := analytics.Rated{Counters: analytics.Counts{"messages": 1200, "recipients": 77}, Rates: map[string]*float64{"delivered": ptr(0.98), "recipients": nil}}
	delay := analytics.Delay{Messages: 1500, MeanSeconds: ptr(90.0), Percentiles: map[string]*float64{"p50": ptr(3600.0)}}
	steps := []analytics.FunnelStep{{Name: "delivered", Messages: 1000}, {Name: "opened", Messages: 250, OfPrevious: ptr(0.25), OfDelivered: ptr(0.25)}}
	heat := analytics.HeatMap{Basis: "send", TZ: "Europe/Paris"}
	for day := 1; day <= 7; day++ {
		for hour := range 24 {
			cell := analytics.HeatCell{Weekday: day, Hour: hour}
			if day == 2 && hour == 9 {
				cell.Counters.HumanOpens = 1234
			}
			heat.Cells = append(heat.Cells, cell)
		}
	}
	sent, cohort := map[string]int64{"messages": 500, "delivered": 480}, "2026-11-01"
	for name, c := range map[string]struct {
		print func(io.Writer) error
		want  []string
	}{
		"bounces": {func(w io.Writer) error {
			return PrintBounces(w, analytics.Bounces{Providers: []analytics.ProviderBounces{{Provider: "Gmail", Rated: rated,
				Reasons: []analytics.BounceReason{{Outcome: "bounced", BounceClass: "hard", Messages: 1200, Share: ptr(1.0)}}}},
				Others: &analytics.ProviderBounces{Count: 3, Rated: rated}, Total: analytics.ProviderBounces{Rated: rated}})
		}, []string{"Gmail", "hard", "(unknown)", "1,200", "100.00 %", "3 others"}},
		"deliverability": {func(w io.Writer) error {
			return PrintDeliverability(w, analytics.Deliverability{By: "provider", Resolution: "week",
				Items: []analytics.DeliverabilityItem{{Value: "Gmail", Rated: rated, Points: []analytics.Rated{rated, {}}}}, Total: analytics.DeliverabilityItem{Rated: rated}})
		}, []string{"Gmail", "98.00 %", "█·", "Messages by week", " - "}},
		"hygiene": {func(w io.Writer) error {
			return PrintHygiene(w, analytics.Hygiene{Conditions: []analytics.Condition{{Name: "recipients", Condition: "messages > 0"}}, Rated: rated,
				DeadDomains: []analytics.DeadDomain{{Domain: "dead.example", Recipients: 12}}, DeadDomainCount: 9, DeadDomainRecipients: 99})
		}, []string{"recipients", "77", "messages > 0", "dead.example", "9 domains with 99 recipients"}},
		"delays": {func(w io.Writer) error {
			return PrintDelays(w, analytics.Delays{Open: delay, Error: 0.032})
		}, []string{"1,500", "1m30s", "1h0m0s", "3.2 %", " - "}},
		"funnel": {func(w io.Writer) error {
			return PrintFunnel(w, analytics.Funnel{Steps: steps, Human: steps, Paths: []analytics.FunnelPath{{Path: []string{"delivered", "human_opened"}, Messages: 5, Share: ptr(0.5)}, {}}})
		}, []string{"opened, people", "25.00 %", "█", "delivered, human opened", "none of it"}},
		"heat map": {func(w io.Writer) error { return PrintHeatMap(w, heat) }, []string{"at the send (Europe/Paris)", "Tue  " + strings.Repeat(" ", 18) + "██", "1,234"}},
		"cohorts": {func(w io.Writer) error {
			age := analytics.CohortAge{State: "complete", Cumulative: map[string]*float64{"human_opened": ptr(0.25)}}
			return PrintCohorts(w, analytics.Cohorts{By: "week", Ages: []analytics.Age{{ToHours: ptr(int64(6))}, {FromHours: 24, ToHours: ptr(int64(48))}, {FromHours: 2160}},
				Cohorts: []analytics.Cohort{{Start: &cohort, Sent: sent, Ages: []analytics.CohortAge{age, {State: "partial", Cumulative: age.Cumulative}, {State: "future"}}}}, All: analytics.Cohort{Sent: sent}})
		}, []string{"2026-11-01", "480", "25.00 %", "25.00 %…", "6h", "2d", "later"}},
		"comparison": {func(w io.Writer) error {
			return PrintComparison(w, analytics.Comparison{Metrics: []analytics.ComparedMetric{{RateDefinition: analytics.RateDefinition{Name: "human_opened"},
				Campaigns: []analytics.ComparedRate{{ID: "7", Numerator: 10, Denominator: 100, Rate: ptr(0.1), Low: ptr(0.05), High: ptr(0.17)}, {ID: "8"}},
				Pairs:     []analytics.ComparedPair{{A: "7", B: "8", Difference: ptr(-0.02), P: ptr(0.00001), PAdjusted: ptr(0.03), Test: "two-proportion z", Significant: true}, {A: "7", B: "9"}}}}, Method: map[string]string{"test": "as it is"}})
		}, []string{"human opened", "5.00 % to 17.00 %", "10 / 100", "7 - 8", "-2.00 %", "< 0.0001", "0.0300", "significant", "test: as it is.", " - "}},
		"anomalies": {func(w io.Writer) error {
			return PrintAnomalies(w, analytics.Anomalies{Metric: analytics.RateDefinition{Name: "spam"}, Resolution: "day", TZ: "UTC", Method: analytics.AnomalyMethod{Text: "By the median."},
				Points: []analytics.AnomalyPoint{{Rate: 0.01}, {Rate: 0.08, Anomaly: true, Judged: true, Expected: ptr(0.01), Low: ptr(0.0), High: ptr(0.02), Z: ptr(7.25), Why: "8 times"}}})
		}, []string{"spam by day (UTC)", "▁█", "8.00 %", "0.00 % to 2.00 %", "7.2", "8 times", "By the median."}},
		"no anomalies": {func(w io.Writer) error { return PrintAnomalies(w, analytics.Anomalies{}) }, []string{"Nothing is out of line."}},
		"recipient": {func(w io.Writer) error {
			at := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
			return PrintRecipient(w, analytics.Recipient{ID: uuid.UUID{15: 9}, Summary: &analytics.RecipientSummary{Domain: "example.org", LastOpenedAt: &at},
				Events: []analytics.Event{{Type: "opened", OccurredAt: at, CampaignID: "7", Client: "Gmail", Machine: "proxy"}, {Type: "delivered", OccurredAt: at, CampaignID: "7"}}, Next: "more"})
		}, []string{"00000000-0000-0000-0000-000000000009", "example.org", "2026-11-02 09:30", "opened", "Gmail", "proxy", "--after more"}},
	} {
		var out strings.Builder
		if err := c.print(&out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, &out)
			}
		}
	}
}

package analytics

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posthorn/posthorn/analytics/inference"
	"github.com/posthorn/posthorn/schemas"
)

// Anomalies are the buckets of a rate that are out of line with those before them.
type Anomalies struct {
	Metric     RateDefinition `json:"metric"`
	Resolution string         `json:"resolution"`
	Basis      string         `json:"basis"`
	TZ         string         `json:"tz"`
	// Scope is tenant, account, source or list; ID the account, source or list.
	Scope string `json:"scope"`
	ID    string `json:"id,omitempty"`
	// Campaigns are those that are counted; null is all of the scope.
	Campaigns []string   `json:"campaigns"`
	Since     *time.Time `json:"since"`
	Until     *time.Time `json:"until"`
	// Method says what is expected and when a bucket is marked.
	Method AnomalyMethod `json:"method"`
	// Points are the buckets of the period in which the denominator is not 0.
	Points []AnomalyPoint `json:"points"`
	// Marked is how many of them are anomalies.
	Marked int `json:"marked"`
}

// AnomalyMethod are the figures that decide.
type AnomalyMethod struct {
	Text string `json:"text"`
	// Window is how many buckets before one it is compared with, Baseline how many
	// of them must have a denominator of MinDenominator at least.
	Window         int   `json:"window"`
	Baseline       int   `json:"baseline"`
	MinDenominator int64 `json:"min_denominator"`
	// Z is how many standard deviations are too many, MinMessages by how many
	// messages the count must differ from what is expected.
	Z           float64 `json:"z"`
	MinMessages float64 `json:"min_messages"`
	// Young is how many seconds a bucket of basis send must be past before its
	// opens, clicks and complaints are judged.
	Young int64 `json:"young_seconds"`
}

// AnomalyPoint is one bucket.
type AnomalyPoint struct {
	Start       time.Time `json:"start"`
	Seconds     int64     `json:"seconds"`
	Numerator   int64     `json:"numerator"`
	Denominator int64     `json:"denominator"`
	Rate        float64   `json:"rate"`
	// Judged is false where there is not enough to compare with, which Why says;
	// then Expected, Low, High and Z are null.
	Judged   bool     `json:"judged"`
	Expected *float64 `json:"expected"`
	// Low and High bound what is in line.
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
	Z    *float64 `json:"z"`
	// Anomaly: the rate is out of line, Direction high or low.
	Anomaly   bool   `json:"anomaly"`
	Direction string `json:"direction,omitempty"`
	Why       string `json:"why"`
}

const anomalyText = "A bucket's rate is compared with the median of the rates of the buckets before it. " +
	"Its standard deviation is the root of the sum of two squares: 1.4826 times the median absolute deviation of those rates, " +
	"and that of chance for as many messages, the root of p (1 - p) / denominator, " +
	"where p is the greater of the median and the rate of all those buckets together without marked ones. " +
	"It is marked where it is at least z of these away, and its count at least min_messages. " +
	"Up to half of the buckets before may be anything without moving the median much; a lasting change is marked until it is half of the window."

// anomalyMethods are by resolution: four weeks of days, a week of hours.
var anomalyMethods = map[string]AnomalyMethod{
	ResolutionDay:  {Text: anomalyText, Window: 28, Baseline: 7, MinDenominator: 20, Z: 4, MinMessages: 5, Young: 72 * 3600},
	ResolutionHour: {Text: anomalyText, Window: 168, Baseline: 24, MinDenominator: 20, Z: 4, MinMessages: 5, Young: 72 * 3600},
}

// agingRates are those that grow after the send.
func agingRates() (names []string) {
	for _, name := range comparableRates() {
		if !slices.Contains([]string{"delivered", "blocked", "hard_bounced", "soft_bounced", "deferred"}, name) {
			names = append(names, name)
		}
	}
	return names
}

// anomalyMetrics lists the rates that may be judged, the standard one first.
func anomalyMetrics() []string {
	rates := comparableRates()
	at := slices.Index(rates, "hard_bounced")
	rates[0], rates[at] = rates[at], rates[0]
	return rates
}

// anomaliesAsked reads the parameters.
func (a *API) anomaliesAsked(r *http.Request) (s seriesAsked, metric string, err error) {
	if err := knownParams(r, append([]string{"metric", "resolution", "basis", "tz", "since", "until"}, subjectParams(r)...)...); err != nil {
		return s, "", err
	}
	if metric, err = oneOf(r, "metric", anomalyMetrics()...); err != nil {
		return s, "", err
	}
	if s.Resolution, err = oneOf(r, "resolution", ResolutionDay, ResolutionHour); err != nil {
		return s, "", err
	}
	if s.Basis, err = oneOf(r, "basis", "event", "send"); err != nil {
		return s, "", err
	}
	if s.TZ, s.loc, err = a.zoneOf(r); err != nil {
		return s, "", err
	}
	s.grid.resolution = s.Resolution
	if s.subject, err = subjectOf(r); err != nil {
		return s, "", err
	}
	return s, metric, s.readPeriod(r)
}

// anomalies answers with the marked course of a rate.
func (a *API) anomalies(ctx context.Context, r *http.Request) (Anomalies, error) {
	s, metric, err := a.anomaliesAsked(r)
	answer := Anomalies{Resolution: s.Resolution, Basis: s.Basis, TZ: s.TZ, Scope: s.scope, ID: s.id, Campaigns: s.campaigns,
		Since: s.Since, Until: s.Until, Method: anomalyMethods[s.Resolution], Points: []AnomalyPoint{}}
	if err != nil {
		return answer, err
	}
	for _, d := range rateDefinitions() {
		if d.Name == metric {
			answer.Metric = d
		}
	}
	if err := s.known(ctx, a); err != nil {
		return answer, err
	}
	edges, sums, err := a.anomalyBuckets(ctx, &s, answer.Method.Window)
	if err != nil || len(edges) == 0 {
		return answer, err
	}
	judge := anomalyJudge{method: answer.Method, now: a.cfg.now().Unix()}
	judge.aging = s.Basis == "send" && slices.Contains(agingRates(), metric)
	for i, start := range edges[:len(edges)-1] {
		rate := rateOf(sums[start], metric)
		point := judge.next(rate, edges[i+1])
		if start < s.since || rate.Denominator == 0 {
			continue
		}
		point.Start, point.Seconds = s.local(start), edges[i+1]-start
		if answer.Points = append(answer.Points, point); point.Anomaly {
			answer.Marked++
		}
	}
	return answer, nil
}

// anomalyBuckets sums the buckets of the period and as many before as the first
// one is compared with.
func (a *API) anomalyBuckets(ctx context.Context, s *seriesAsked, window int) ([]int64, map[int64]schemas.Counters, error) {
	since := s.since
	if since > 0 {
		// Days and hours of the local clock are about as long as others.
		length := map[string]int64{ResolutionDay: 86400, ResolutionHour: 3600}[s.Resolution]
		since = max(1, s.floor(max(1, since-int64(window)*length)))
	}
	first, last, found, err := s.extent(ctx, a, s.basis(), since, s.until)
	if err != nil || !found {
		return nil, nil, err
	}
	from, to := s.floor(first), s.next(s.floor(last))
	edges, ok := s.edges(from, to, maxBuckets)
	if !ok {
		return nil, nil, badParam("resolution", fmt.Sprintf("%s makes more than %d buckets: take day, or a shorter period by since and until", s.Resolution, maxBuckets))
	}
	sums, err := s.bucketSums(ctx, a, s.basis(), edges)
	return edges, sums, err
}

// anomalyJudge judges one bucket after the other.
type anomalyJudge struct {
	method AnomalyMethod
	aging  bool
	now    int64
	before []anomalyBefore // at most a window of them
}

type anomalyBefore struct {
	rate   Rate
	marked bool
}

// next judges the bucket behind those so far.
func (j *anomalyJudge) next(rate Rate, end int64) AnomalyPoint {
	point := AnomalyPoint{Numerator: rate.Numerator, Denominator: rate.Denominator}
	if rate.Value != nil {
		point.Rate = *rate.Value
		switch {
		case rate.Denominator < j.method.MinDenominator:
			point.Why = fmt.Sprintf("not judged: %s is below %d", denominatorOf(rate), j.method.MinDenominator)
		case j.aging && end+j.method.Young > j.now:
			point.Why = "not judged: more of it is still to come"
		default:
			j.judge(&point, rate)
		}
	}
	j.before = append(j.before, anomalyBefore{rate, point.Anomaly})
	j.before = j.before[max(0, len(j.before)-j.method.Window):]
	return point
}

func (j *anomalyJudge) judge(point *AnomalyPoint, rate Rate) {
	var rates []float64
	var numerator, denominator int64
	for _, b := range j.before {
		if b.rate.Denominator < j.method.MinDenominator {
			continue
		}
		rates = append(rates, *b.rate.Value)
		if !b.marked {
			numerator, denominator = numerator+b.rate.Numerator, denominator+b.rate.Denominator
		}
	}
	if len(rates) < j.method.Baseline {
		point.Why = fmt.Sprintf("not judged: %d of the %d buckets before have enough, %d must", len(rates), j.method.Window, j.method.Baseline)
		return
	}
	expected, spread := inference.MAD(rates)
	p := expected
	if denominator > 0 {
		// Half a message more: what never happened in a thousand may happen in the next.
		p = max(p, (float64(max(0, numerator))+0.5)/(float64(denominator)+1))
	}
	n := float64(rate.Denominator)
	// By event time a share may be above 1.
	deviation := math.Hypot(spread, math.Sqrt(p*max(1-p, 0)/n))
	if deviation == 0 {
		point.Why = "not judged: the buckets before do not differ"
		return
	}
	within := max(j.method.Z*deviation, j.method.MinMessages/n)
	z := (point.Rate - expected) / deviation
	low, high := max(0, expected-within), expected+within
	point.Judged, point.Expected, point.Low, point.High, point.Z = true, &expected, &low, &high, &z
	away := math.Abs(point.Rate - expected)
	switch {
	case away < within:
		point.Why = "in line"
	case z > 0:
		point.Anomaly, point.Direction = true, "high"
	default:
		point.Anomaly, point.Direction = true, "low"
	}
	if point.Anomaly {
		point.Why = fmt.Sprintf("%s: %.4g of %d, where about %.4g was expected; %.1f standard deviations", point.Direction, point.Rate, rate.Denominator, expected, math.Abs(z))
	}
}

// denominatorOf names what a rate divides by.
func denominatorOf(rate Rate) string {
	_, name, _ := strings.Cut(rate.Formula, " / ")
	return name
}

// sheet has a row for each bucket.
func (a *Anomalies) sheet() sheet {
	s := sheet{name: "anomalies", columns: []sheetColumn{{"start", columnTime}, {"seconds", columnInteger}, {"numerator", columnInteger}, {"denominator", columnInteger},
		{"rate", columnReal}, {"judged", columnBoolean}, {"expected", columnReal}, {"low", columnReal}, {"high", columnReal}, {"z", columnReal},
		{"anomaly", columnBoolean}, {"direction", columnText}, {"why", columnText}}}
	for _, p := range a.Points {
		s.rows = append(s.rows, []any{p.Start, p.Seconds, p.Numerator, p.Denominator, p.Rate, p.Judged,
			realCell(p.Expected), realCell(p.Low), realCell(p.High), realCell(p.Z), p.Anomaly, p.Direction, p.Why})
	}
	return s
}

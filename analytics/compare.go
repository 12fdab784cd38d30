package analytics

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/analytics/inference"
	"github.com/posthorn/posthorn/schemas"
)

// Comparison tells whether rates of campaigns differ by more than chance.
type Comparison struct {
	Campaigns []ComparedCampaign `json:"campaigns"`
	Metrics   []ComparedMetric   `json:"metrics"`
	// Confidence is that of all intervals.
	Confidence float64 `json:"confidence"`
	// Method says how intervals and tests are made.
	Method map[string]string `json:"method"`
}

// ComparedCampaign is a campaign with its lifetime.
type ComparedCampaign struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	Counters schemas.Counters `json:"counters"`
}

// ComparedMetric is a rate of all campaigns.
type ComparedMetric struct {
	RateDefinition
	Campaigns []ComparedRate `json:"campaigns"`
	// Pairs are all pairs of campaigns.
	Pairs []ComparedPair `json:"pairs"`
}

// ComparedRate is the rate of one campaign with its interval.
type ComparedRate struct {
	ID          string   `json:"id"`
	Numerator   int64    `json:"numerator"`
	Denominator int64    `json:"denominator"`
	Rate        *float64 `json:"rate"`
	// Low and High are null where the rate is no share: of nothing, or above 1, as
	// where opens are known of messages whose delivery is not.
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
}

// ComparedPair is the difference of two rates.
type ComparedPair struct {
	A string `json:"a"`
	B string `json:"b"`
	// Difference is A's rate less B's. All that follows is null, and Test empty,
	// where one of the rates is no share.
	Difference *float64 `json:"difference"`
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
	Z          *float64 `json:"z"`
	// Enough: there are enough messages for the normal approximation. Else the
	// test is Fisher's.
	Enough bool   `json:"enough"`
	Test   string `json:"test"` // two-proportion z, or Fisher's exact
	// P is the probability of such a difference, or a greater one, by chance;
	// PAdjusted takes into account that there are several pairs.
	P           *float64 `json:"p"`
	PAdjusted   *float64 `json:"p_adjusted"`
	Significant bool     `json:"significant"` // PAdjusted < 0.05
}

const (
	maxCompared = 6
	// significance is the greatest adjusted p value of what is called significant,
	// excluded.
	significance = 0.05
	testZ        = "two-proportion z"
	testFisher   = "Fisher's exact"
)

var comparisonMethod = map[string]string{
	"rate":       "95 % Wilson score interval",
	"difference": "95 % Newcombe hybrid score interval of independent samples",
	"test":       "two-proportion z, pooled; where a cell of the table of two by two is expected to hold fewer than 5, Fisher's exact, two-sided",
	"p_adjusted": "Holm over the pairs of a metric; not over metrics",
}

// comparable lists the rates that are shares of messages.
func comparableRates() (names []string) {
	for _, d := range rateDefinitions() {
		if d.Unit == UnitRatio {
			names = append(names, d.Name)
		}
	}
	return names
}

// compare answers with rates of two to six campaigns.
func (a *API) compare(ctx context.Context, r *http.Request) (Comparison, error) {
	answer := Comparison{Campaigns: []ComparedCampaign{}, Metrics: []ComparedMetric{}, Confidence: 0.95, Method: comparisonMethod}
	if err := knownParams(r, "campaigns", "metric"); err != nil {
		return answer, err
	}
	ids, err := comparedOf(r)
	if err != nil {
		return answer, err
	}
	metrics, err := metricsOf(r)
	if err != nil {
		return answer, err
	}
	if err := a.knownCampaigns(ctx, ids); err != nil {
		return answer, err
	}
	if answer.Campaigns, err = a.lifetimes(ctx, ids); err != nil {
		return answer, err
	}
	for _, d := range rateDefinitions() {
		if slices.Contains(metrics, d.Name) {
			answer.Metrics = append(answer.Metrics, compareBy(d, answer.Campaigns))
		}
	}
	return answer, nil
}

// comparedOf reads two to six campaigns, in the order in which they are named.
func comparedOf(r *http.Request) ([]string, error) {
	sorted, err := campaignsOf(r)
	if err != nil {
		return nil, err
	}
	if n := len(sorted); n < 2 || n > maxCompared {
		return nil, badParam("campaigns", fmt.Sprintf("want 2 to %d campaigns as 7340112,7340113", maxCompared))
	}
	var ids []string
	for id := range strings.SplitSeq(strings.Join(r.URL.Query()["campaigns"], ","), ",") {
		if id = strings.TrimSpace(id); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// metricsOf reads the rates to compare.
func metricsOf(r *http.Request) ([]string, error) {
	known := comparableRates()
	text := r.URL.Query().Get("metric")
	if text == "" {
		return []string{"human_opened"}, nil
	}
	names := strings.Split(text, ",")
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, badParam("metric", "want one or more, separated by commas, of "+strings.Join(known, ", "))
		}
	}
	return names, nil
}

// lifetimes reads campaigns in the order of ids.
func (a *API) lifetimes(ctx context.Context, ids []string) ([]ComparedCampaign, error) {
	found := make([]ComparedCampaign, len(ids))
	f := subject{scope: ScopeTenant, campaigns: ids}.filter(a.cfg.Tenant, schemas.BasisLifetime)
	query := "SELECT campaign_id, " + latest(append([]string{"campaign_name"}, counterNames...)...) + " FROM campaign_statistics AS s WHERE " + f.String() + " GROUP BY campaign_id"
	err := a.each(ctx, "campaigns", query, f.args, func(rows driver.Rows) error {
		var c ComparedCampaign
		err := rows.Scan(append([]any{&c.ID, &c.Name}, counterFields(&c.Counters)...)...)
		if at := slices.Index(ids, c.ID); at >= 0 {
			found[at] = c
		}
		return err
	})
	return found, err
}

// compareBy compares one rate of campaigns.
func compareBy(d RateDefinition, campaigns []ComparedCampaign) ComparedMetric {
	m := ComparedMetric{RateDefinition: d, Pairs: []ComparedPair{}}
	shares := make([]inference.Proportion, len(campaigns))
	for i, c := range campaigns {
		rate := rateOf(c.Counters, d.Name)
		shares[i] = inference.Proportion{Successes: rate.Numerator, Trials: rate.Denominator}
		compared := ComparedRate{ID: c.ID, Numerator: rate.Numerator, Denominator: rate.Denominator, Rate: rate.Value}
		if shares[i].Valid() {
			of := inference.Wilson(shares[i])
			compared.Low, compared.High = &of.Low, &of.High
		}
		m.Campaigns = append(m.Campaigns, compared)
	}
	var ps []float64
	var tested []int
	for i := range campaigns {
		for j := i + 1; j < len(campaigns); j++ {
			pair := ComparedPair{A: campaigns[i].ID, B: campaigns[j].ID}
			if shares[i].Valid() && shares[j].Valid() {
				pair.compare(shares[i], shares[j])
				ps, tested = append(ps, *pair.P), append(tested, len(m.Pairs))
			}
			m.Pairs = append(m.Pairs, pair)
		}
	}
	for i, p := range inference.Holm(ps) {
		pair := &m.Pairs[tested[i]]
		pair.PAdjusted, pair.Significant = &p, p < significance
	}
	return m
}

// compare fills in the difference of two shares.
func (p *ComparedPair) compare(a, b inference.Proportion) {
	difference, of := a.Value()-b.Value(), inference.Newcombe(a, b)
	p.Difference, p.Low, p.High = &difference, &of.Low, &of.High
	if p.Enough = inference.NormalEnough(a, b); p.Enough {
		z, pz, _ := inference.TwoProportionZ(a, b)
		p.Z, p.P, p.Test = &z, &pz, testZ
		return
	}
	exact := inference.Fisher(a, b)
	p.P, p.Test = &exact, testFisher
}

// rateOf is the rate of a name.
func rateOf(c schemas.Counters, name string) Rate {
	for _, rate := range Rates(c) {
		if rate.Name == name {
			return rate
		}
	}
	return Rate{Name: name}
}

// sheet has a row for each pair and metric.
func (c *Comparison) sheet() sheet {
	s := sheet{name: "comparison", columns: []sheetColumn{
		{"metric", columnText}, {"a", columnText}, {"b", columnText}, {"a_rate", columnReal}, {"a_low", columnReal}, {"a_high", columnReal},
		{"b_rate", columnReal}, {"b_low", columnReal}, {"b_high", columnReal}, {"difference", columnReal}, {"low", columnReal}, {"high", columnReal},
		{"test", columnText}, {"z", columnReal}, {"p", columnReal}, {"p_adjusted", columnReal}, {"significant", columnBoolean}, {"enough", columnBoolean},
	}}
	for _, m := range c.Metrics {
		byID := map[string]ComparedRate{}
		for _, rate := range m.Campaigns {
			byID[rate.ID] = rate
		}
		for _, p := range m.Pairs {
			a, b := byID[p.A], byID[p.B]
			s.rows = append(s.rows, []any{m.Name, p.A, p.B, realCell(a.Rate), realCell(a.Low), realCell(a.High),
				realCell(b.Rate), realCell(b.Low), realCell(b.High), realCell(p.Difference), realCell(p.Low), realCell(p.High),
				p.Test, realCell(p.Z), realCell(p.P), realCell(p.PAdjusted), p.Significant, p.Enough})
		}
	}
	return s
}

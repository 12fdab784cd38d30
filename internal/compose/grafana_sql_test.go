package compose

import (
	"encoding/xml"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/schemas"
)

// day is one of the recent days, on which everything was sent.
var day = time.Now().UTC().Truncate(24 * time.Hour).Add(-48 * time.Hour)

// totals are the counters of the campaign that the dashboard shows.
var totals = schemas.Counters{
	Messages: 1000, Delivered: 900, Rejected: 20, HardBounced: 30, SoftBounced: 40, Deferred: 7, Queued: 3, Opened: 400, HumanOpened: 300, Opens: 700, HumanOpens: 450,
	Clicked: 90, HumanClicked: 80, Clicks: 120, HumanClicks: 100, Unsubscribed: 5, Unsubscribes: 6, Complained: 2, Complaints: 2,
	OpenDelayMS: 7_200_000, OpenDelays: 390, ClickDelayMS: 600_000, ClickDelays: 85,
}

// filled gives tables, made by the migrations, with something of everything.
func filled(t *testing.T) driver.Conn {
	t.Helper()
	conn, err := analytics.Open(t.Context(), clickhousetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := analytics.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	at := day.Unix()
	columns := "messages, delivered, rejected, hard_bounced, soft_bounced, deferred, queued, opened, human_opened, opens, human_opens, clicked, human_clicked, clicks, human_clicks, unsubscribed, unsubscribes, complained, complaints, open_delay_ms, open_delays, click_delay_ms, click_delays"
	c := &totals
	values := fmt.Sprint(c.Messages, ",", c.Delivered, ",", c.Rejected, ",", c.HardBounced, ",", c.SoftBounced, ",", c.Deferred, ",", c.Queued, ",", c.Opened, ",", c.HumanOpened, ",", c.Opens, ",", c.HumanOpens, ",",
		c.Clicked, ",", c.HumanClicked, ",", c.Clicks, ",", c.HumanClicks, ",", c.Unsubscribed, ",", c.Unsubscribes, ",", c.Complained, ",", c.Complaints, ",", c.OpenDelayMS, ",", c.OpenDelays, ",", c.ClickDelayMS, ",", c.ClickDelays)
	for i, basis := range []string{"lifetime", "event_time", "send_time"} {
		window := at * int64(min(i, 1))
		exec(t, conn, "INSERT INTO campaign_statistics (tenant, campaign_id, campaign_name, basis, window_start, window_seconds, version, last_event_at, %s) SELECT 'shop', '7301', 'Spring', '%s', toDateTime(%d, 'UTC'), 300, 2, toDateTime64(%d, 6, 'UTC'), %s", columns, basis, window, at, values)
		// What was replaced, and another campaign.
		exec(t, conn, "INSERT INTO campaign_statistics (tenant, campaign_id, basis, window_start, version, messages, delivered) VALUES ('shop', '7301', '%s', toDateTime(%d, 'UTC'), 1, 7, 7), ('shop', '7302', '%s', toDateTime(%d, 'UTC'), 1, 11, 11)", basis, window, basis, window)
	}
	exec(t, conn, "INSERT INTO mailbox_providers VALUES ('gmail.com', 'gmail', 'table', now()), ('shop.example', 'microsoft', 'mx', now())")
	cell := func(dimension, value, detail, names, counts string) {
		exec(t, conn, "INSERT INTO breakdowns (tenant, dimension, campaign_id, value, detail, basis, window_start, %s) SELECT 'shop', '%s', arrayJoin(['7301', '7302', '']), '%s', '%s', 'send_time', toDateTime(%d, 'UTC'), %s", names, dimension, value, detail, at, counts)
	}
	for domain, n := range map[string]int{"gmail.com": 500, "shop.example": 300, "elsewhere.example": 150, "": 50} {
		cell("domain", domain, "", "messages, delivered, hard_bounced, human_opened, human_clicked, complained", fmt.Sprintf("%d, %d, %d, %d, %d, 1", n, n-n/10, n/10, n/2, n/5))
		cell("reason", domain, "bounced/hard/", "messages, hard_bounced", fmt.Sprintf("%d, %d", n/10, n/10))
	}
	for _, dimension := range []string{"country", "client", "os", "device", "machine"} {
		for value, n := range map[string]int{"FR": 30, "US": 60, "": 10} {
			cell(dimension, value, "", "opens, human_opens, opened, human_opened, clicks, human_clicks, clicked, human_clicked", fmt.Sprintf("%d, %d, %d, %d, %d, %d, %d, %d", 10*n, 9*n, 8*n, 7*n, 6*n, 5*n, 4*n, 3*n))
		}
	}
	cell("link", "https://shop.example/", "1", "clicks, human_clicks, clicked, human_clicked", "75, 60, 50, 40")
	cell("link", "", "", "clicks, human_clicks, clicked, human_clicked", "25, 20, 15, 10")
	cell("age", schemas.AgeSent, "", "messages, delivered", "1000, 900")
	cell("age", schemas.AgeValue(5*time.Hour), "", "human_opens, human_opened, human_clicks, human_clicked", "20, 15, 10, 5")
	cell("open_delay", schemas.DelayValue(40_000), "", "opened, human_opened", "9, 6")
	cell("open_delay", schemas.DelayValue(7_000_000), "", "opened, human_opened", "5, 4")
	for path, n := range map[string]int{
		schemas.PathNone: 100, schemas.PathDelivered: 500, "delivered+opened": 150, "delivered+opened+human_opened": 100,
		"delivered+opened+human_opened+clicked+human_clicked": 80, "delivered+clicked+human_clicked": 60, "opened+clicked": 10,
	} {
		cell("path", path, "", "messages", fmt.Sprint(n))
	}
	exec(t, conn, "INSERT INTO triggers (tenant, rule, status, campaign_id, trigger_id, arrived_at, occurred_at) SELECT 'shop', 'discount', 'fired', '7301', generateUUIDv4(), toDateTime64(%d, 6, 'UTC'), toDateTime64(%d, 6, 'UTC') FROM numbers(5)", at, at)
	exec(t, conn, "INSERT INTO deliveries (tenant, rule, endpoint, campaign_id, trigger_id, attempt, attempted_at, duration_ms, status) SELECT 'shop', 'discount', 'shop', '7301', generateUUIDv4(), 1, toDateTime64(%d, 6, 'UTC'), 40, 'succeeded' FROM numbers(5)", at)
	exec(t, conn, "INSERT INTO rejections (tenant, source, reason, received_at) VALUES ('shop', 'main', 'bad_json', toDateTime64(%d, 6, 'UTC'))", at)
	return conn
}

func exec(t *testing.T, conn driver.Conn, query string, args ...any) {
	t.Helper()
	if err := conn.Exec(t.Context(), fmt.Sprintf(query, args...)); err != nil {
		t.Fatalf("%s: %v", fmt.Sprintf(query, args...), err)
	}
}

var macro = regexp.MustCompile(`\$__(\w+)\(((?:[^()]|\([^()]*\))*)\)`)

// expand puts in what Grafana does: its variables, and the plugin's macros over
// the last week.
func expand(t *testing.T, query string) string {
	t.Helper()
	from, to := day.AddDate(0, 0, -5), day.AddDate(0, 0, 2)
	query = strings.NewReplacer("${tenant}", "shop", "${campaign:singlequote}", "'7301'").Replace(query)
	query = macro.ReplaceAllStringFunc(query, func(text string) string {
		m := macro.FindStringSubmatch(text)
		switch name, column := m[1], m[2]; name {
		case "timeFilter":
			return fmt.Sprintf("%s >= toDateTime(%d) AND %s <= toDateTime(%d)", column, from.Unix(), column, to.Unix())
		case "dateFilter":
			return fmt.Sprintf("%s >= toDate('%s') AND %s <= toDate('%s')", column, from.Format(time.DateOnly), column, to.Format(time.DateOnly))
		case "timeInterval":
			return fmt.Sprintf("toStartOfInterval(toDateTime(%s), INTERVAL 3600 second)", column)
		}
		t.Errorf("the plugin has no macro %s, or the test does not know it", m[1])
		return text
	})
	if strings.Contains(query, "$") {
		t.Errorf("not expanded: %s", query)
	}
	return query
}

// answered runs a query and gives its rows by column.
func answered(t *testing.T, conn driver.Conn, query string) (columns []string, found []map[string]any) {
	t.Helper()
	rows, err := conn.Query(t.Context(), expand(t, query))
	if err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns = rows.Columns()
	for rows.Next() {
		row, values := map[string]any{}, make([]any, len(columns))
		for i, c := range rows.ColumnTypes() {
			values[i] = newOf(c)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatalf("%s\n%v", query, err)
		}
		for i, name := range columns {
			row[name] = indirect(values[i])
		}
		found = append(found, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	return columns, found
}

// Each query of the dashboards runs on the tables as the migrations make them,
// and finds something where there is something.
func TestDashboardsRunOnTheTables(t *testing.T) {
	conn := filled(t)
	asked := 0
	for _, d := range dashboards(t) {
		for _, v := range d.Templating.List {
			if _, rows := answered(t, conn, v.Query.SQL); len(rows) == 0 {
				t.Errorf("%s: variable %s has no values", d.file, v.Name)
			}
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.SQL == "" {
					continue
				}
				asked++
				columns, rows := answered(t, conn, q.SQL)
				if len(rows) == 0 {
					t.Errorf("%s: panel %q finds nothing", d.file, p.Title)
					continue
				}
				if series := q.Format == 0; series != (columns[0] == "time") || series != (p.Type == "timeseries") {
					t.Errorf("%s: panel %q of type %s: format %d, columns %v", d.file, p.Title, p.Type, q.Format, columns)
				}
			}
		}
	}
	if asked < 15 {
		t.Errorf("only %d queries", asked)
	}
}

// The rates are those of the API, by name, formula, numerator and denominator.
func TestDashboardHasTheRatesOfTheAPI(t *testing.T) {
	_, rows := answered(t, filled(t), panelSQL(t, "Rates and their denominators"))
	want := analytics.Rates(totals)
	if len(rows) != len(want) {
		t.Fatalf("%d rates, want %d", len(rows), len(want))
	}
	for i, w := range want {
		got := rows[i]
		value, _ := got["value"].(float64)
		if got["rate"] != w.Name || got["formula"] != w.Formula || got["numerator"] != w.Numerator || got["denominator"] != w.Denominator || math.Abs(value-*w.Value) > 1e-12 {
			t.Errorf("got %v, want %+v", got, w)
		}
	}
}

func TestDashboardFigures(t *testing.T) {
	conn := filled(t)
	for title, want := range map[string][]string{
		"Totals":                       {"1000 900 300 80 30 40 20 5 2"},
		"Funnel":                       {"890 330 80 180 80"},
		"Mailbox providers":            {"gmail 500", "microsoft 300", "other 150", "unknown 50"},
		"Countries":                    {"US 600", "FR 300", "unknown 100"},
		"Links":                        {"https://shop.example/ 1", "unknown "},
		"Bounces":                      {"gmail bounced hard", "microsoft bounced hard", "other bounced hard", "unknown bounced hard"},
		"Response by age":              {"3 20 15 10 5"},
		"Delivery to first human open": {"0 6", "60 4"},
		"Events by event time":         {fmt.Sprint(day, " 900 700")},
		"Rejected by reason":           {fmt.Sprint(day, " bad_json 1")},
		"Rules that fired":             {fmt.Sprint(day, " discount fired 5")},
		"Calls by endpoint":            {"shop discount succeeded 5 5 1"},
		"Rates by time of the send":    {fmt.Sprint(day, " 0.9 0.3333333333333333")},
		"People and machines":          {"US 600", "FR 300", " 100"},
		"Operating systems":            {"US 600", "FR 300", "unknown 100"},
		"Devices":                      {"US 600", "FR 300", "unknown 100"},
		"Mail clients":                 {"US 600", "FR 300", "unknown 100"},
		"Calls by outcome":             {fmt.Sprint(day, " shop succeeded 5")},
		"Rates and their denominators": {"delivered 0.9 900 1000"},
	} {
		columns, rows := answered(t, conn, panelSQL(t, title))
		for i, w := range want {
			if i >= len(rows) {
				t.Errorf("%s: row %d is missing, want %s", title, i, w)
				continue
			}
			var texts []string
			for _, c := range columns {
				texts = append(texts, fmt.Sprint(rows[i][c]))
			}
			if got := strings.Join(texts, " "); !strings.HasPrefix(got, w) {
				t.Errorf("%s: row %d is %s, want %s", title, i, got, w)
			}
		}
	}
}

func panelSQL(t *testing.T, title string) string {
	t.Helper()
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			if p.Title == title && len(p.Targets) > 0 && p.Targets[0].SQL != "" {
				return p.Targets[0].SQL
			}
		}
	}
	t.Fatalf("there is no panel %q", title)
	return ""
}

// The user that Grafana has may read what the dashboards do, and no more than
// that and other tables without addresses.
func TestGrafanaUser(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(grafanaDir, "clickhouse-user.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		ReadOnly int      `xml:"profiles>grafana>readonly"`
		Seconds  int      `xml:"profiles>grafana>max_execution_time"`
		Memory   int64    `xml:"profiles>grafana>max_memory_usage"`
		Profile  string   `xml:"users>grafana>profile"`
		Grants   []string `xml:"users>grafana>grants>query"`
	}
	if err := xml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if file.ReadOnly != 1 || file.Seconds <= 0 || file.Memory <= 0 || file.Profile != "grafana" {
		t.Errorf("the user is not bounded: %+v", file)
	}
	conn := filled(t)
	granted := func(table, columns string) bool {
		for _, g := range file.Grants {
			m := regexp.MustCompile(`^GRANT SELECT(?:\(([^)]*)\))? ON posthorn\.(\w+)(\*?)$`).FindStringSubmatch(g)
			if m == nil {
				t.Fatalf("grant %q", g)
			}
			if (m[2] == table || m[3] == "*" && strings.HasPrefix(table, m[2])) && (m[1] == "" || columns != "" && containsAll(m[1], columns)) {
				return true
			}
		}
		return false
	}
	for _, g := range file.Grants {
		exec(t, conn, "EXPLAIN AST %s TO grafana", g)
	}
	from := regexp.MustCompile(`(?:FROM|JOIN) \(?(\w+)`)
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				for _, m := range from.FindAllStringSubmatch(q.SQL, -1) {
					if table := m[1]; table != "SELECT" && !granted(table, "endpoint, rule, status, trigger_id, attempt, attempted_at, duration_ms, campaign_id, tenant") {
						t.Errorf("%s: panel %q reads %s, which is not granted", d.file, p.Title, table)
					}
				}
			}
		}
	}
	for _, table := range []string{"suppressions", "suppressions_2", "schema_migrations"} {
		if granted(table, "") {
			t.Errorf("%s may be read", table)
		}
	}
	if granted("deliveries", "") || granted("deliveries", "request_body") {
		t.Error("what was sent to endpoints may be read")
	}
}

func containsAll(list, wanted string) bool {
	have := map[string]bool{}
	for name := range strings.SplitSeq(list, ", ") {
		have[name] = true
	}
	for name := range strings.SplitSeq(wanted, ", ") {
		if !have[name] {
			return false
		}
	}
	return true
}

package analytics

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/schemas"
)

// cellOf makes a cell of a breakdown by day.
func cellOf(d schemas.Dimension, value, detail string, day schemas.Timestamp, c schemas.Counters) schemas.BreakdownCell {
	return schemas.BreakdownCell{Dimension: d, Value: value, Detail: detail, Basis: schemas.BasisSendTime, WindowStart: day, Counters: c}
}

// fillViews fills what the views show; twice, as two batches do.
func fillViews(t testing.TB, conn driver.Conn) {
	t.Helper()
	day := schemas.Timestamp(86_400_000_000)
	engaged := schemas.Counters{Opens: 3, HumanOpens: 2, Opened: 2, HumanOpened: 1, Clicks: 2, HumanClicks: 1, Clicked: 1, HumanClicked: 1}
	mail := schemas.Counters{Messages: 10, Delivered: 8, HardBounced: 1, SoftBounced: 1, Opened: 4, HumanOpened: 3, Clicked: 2, HumanClicked: 1}
	campaign := &schemas.BreakdownDelta{Tenant: "default", CampaignID: "5", Cells: []schemas.BreakdownCell{
		cellOf(schemas.DimensionLink, "https://shop.example/a", "2", epoch, schemas.Counters{Clicks: 3, HumanClicks: 2, Clicked: 2, HumanClicked: 1}),
		cellOf(schemas.DimensionLink, "https://shop.example/a", "2", epoch-day, schemas.Counters{Clicks: 1, Clicked: 1}),
		cellOf(schemas.DimensionLink, "", "", epoch, schemas.Counters{Clicks: 7}),
		cellOf(schemas.DimensionCountry, "FR", "", epoch, engaged), cellOf(schemas.DimensionCountry, "", "", 0, engaged),
		cellOf(schemas.DimensionClient, "Outlook", "", epoch, engaged), cellOf(schemas.DimensionOS, "iOS", "", epoch, engaged),
		cellOf(schemas.DimensionDevice, "mobile", "", epoch, engaged),
		cellOf(schemas.DimensionMachine, "machine", "", epoch, schemas.Counters{Opens: 4, Opened: 3}),
		cellOf(schemas.DimensionDomain, "gmail.com", "", epoch, mail), cellOf(schemas.DimensionDomain, "tiny.example", "", epoch, mail), cellOf(schemas.DimensionDomain, "", "", 0, mail),
		cellOf(schemas.DimensionReason, "gmail.com", "bounced/hard/invalid", epoch, schemas.Counters{Messages: 2, HardBounced: 2, LateBounces: 1}),
		cellOf(schemas.DimensionReason, "", "rejected//blocked", epoch, schemas.Counters{Messages: 1, Rejected: 1}),
		cellOf(schemas.DimensionOpenDelay, "63", "", epoch, schemas.Counters{Opened: 1}),
		cellOf(schemas.DimensionOpenDelay, schemas.DelayValue(100_000), "", epoch, schemas.Counters{Opened: 5, HumanOpened: 4}),
		cellOf(schemas.DimensionClickDelay, "64", "", epoch, schemas.Counters{Clicked: 2, HumanClicked: 1}),
		cellOf(schemas.DimensionAge, schemas.AgeSent, "", epoch, schemas.Counters{Messages: 10, Delivered: 8}),
		cellOf(schemas.DimensionAge, "24", "", epoch, schemas.Counters{Opens: 3, Opened: 2}),
		cellOf(schemas.DimensionPath, "delivered+opened", "", epoch, schemas.Counters{Messages: 4}), cellOf(schemas.DimensionPath, schemas.PathNone, "", epoch, schemas.Counters{Messages: 1}),
	}}
	above := &schemas.BreakdownDelta{Tenant: "default", Cells: []schemas.BreakdownCell{
		cellOf(schemas.DimensionDomain, "gmail.com", "", epoch, mail), cellOf(schemas.DimensionDomain, "gmail.com", "", 0, mail),
	}, Recipients: []schemas.RecipientDelta{
		{RecipientID: numbered(1), RecipientDomain: "gmail.com", Counters: schemas.Counters{Messages: 2, Delivered: 2, Opens: 1}, FirstEventAt: epoch, LastEventAt: epoch + day, LastOpenedAt: epoch},
		{RecipientID: numbered(2), Counters: schemas.Counters{Messages: 1}},
	}}
	for range 2 {
		fill(t, conn, schemas.TopicBreakdownDeltas, campaign, above)
	}
	fill(t, conn, schemas.TopicStatistics,
		stats("5", schemas.BasisLifetime, epoch.Time().AddDate(-100, 0, 0), schemas.Counters{Messages: 1}),
		stats("5", schemas.BasisLifetime, epoch.Time().AddDate(-100, 0, 0), schemas.Counters{Messages: 10, Delivered: 8, HardBounced: 1, SoftBounced: 1, Opened: 4, Clicked: 2}),
		stats("5", schemas.BasisEventTime, epoch.Time(), schemas.Counters{Opens: 1}), stats("5", schemas.BasisEventTime, epoch.Time(), schemas.Counters{Opens: 2}),
		stats("5", schemas.BasisEventTimeLate, epoch.Time().AddDate(-100, 0, 0), schemas.Counters{Opens: 9}),
		stats("6", schemas.BasisLifetime, epoch.Time().AddDate(-100, 0, 0), schemas.Counters{}))
	fill(t, conn, schemas.TopicMessages,
		&schemas.Message{Tenant: "default", Account: "a", MessageID: "m", RecipientID: numbered(1), Opens: 1, Revision: 1},
		&schemas.Message{Tenant: "default", Account: "a", MessageID: "m", RecipientID: numbered(1), Opens: 2, Revision: 2})
	fill(t, conn, schemas.TopicSuppressions,
		&schemas.Suppression{Tenant: "default", RecipientID: numbered(1), Scope: "all", Active: true, Revision: 1},
		&schemas.Suppression{Tenant: "default", RecipientID: numbered(1), Scope: "all", Active: false, Revision: 2},
		&schemas.Suppression{Tenant: "default", RecipientID: numbered(2), Scope: "list:4", Recipient: "ann@example.org", Active: true, Revision: 1})
	if err := conn.Exec(t.Context(), "INSERT INTO mailbox_providers VALUES ('gmail.com', 'old', 'table', now() - 60), ('gmail.com', 'gmail', 'mx', now())"); err != nil {
		t.Fatal(err)
	}
}

// viewChecks are each view's rows by hand, from the counts of fillViews.
var viewChecks = []struct{ view, query, want string }{
	{"domain_providers", "SELECT domain, provider, told_by FROM domain_providers", "gmail.com gmail mx"},
	{"campaigns", "SELECT campaign_id, messages, delivered_rate, bounced_rate, opened_rate, clicked_rate, human_opened_rate FROM campaigns ORDER BY campaign_id", "5 10 0.8 0.2 0.5 0.25 0\n6 0 NULL NULL NULL NULL NULL"},
	{"campaign_series", "SELECT campaign_id, basis, opens FROM campaign_series", "5 event_time 2"},
	{"campaign_links", "SELECT url, position, clicks, human_clicks, clicked, human_clicked FROM campaign_links WHERE campaign_id = '5' ORDER BY url", " NULL 14 0 0 0\nhttps://shop.example/a 2 8 4 6 2"},
	{"campaign_countries", "SELECT country, opens, human_opens, opened, human_opened, clicks, human_clicks, clicked, human_clicked FROM campaign_countries ORDER BY country", " 6 4 4 2 4 2 2 2\nFR 6 4 4 2 4 2 2 2"},
	{"campaign_clients", "SELECT kind, value, opens, human_clicked FROM campaign_clients WHERE tenant = 'default' ORDER BY kind", "client Outlook 6 2\ndevice mobile 6 2\nos iOS 6 2"},
	{"campaign_machines", "SELECT machine, opens, opened, clicks, clicked FROM campaign_machines", "machine 8 6 0 0"},
	{"campaign_domains", "SELECT domain, provider, messages, delivered, hard_bounced, human_opened, clicked FROM campaign_domains WHERE campaign_id = '5' ORDER BY domain", " unknown 20 16 2 6 4\ngmail.com gmail 20 16 2 6 4\ntiny.example other 20 16 2 6 4"},
	{"domain_days", "SELECT isNull(day), domain, provider, messages FROM domain_days ORDER BY 1", "0 gmail.com gmail 20\n1 gmail.com gmail 20"},
	{"campaign_bounces", "SELECT domain, provider, outcome, bounce_class, reject_reason, messages, late_bounces FROM campaign_bounces ORDER BY domain", " unknown rejected  blocked 2 0\ngmail.com gmail bounced hard invalid 4 2"},
	{"campaign_delays", "SELECT kind, from_ms, to_ms, messages, human_messages FROM campaign_delays ORDER BY kind, from_ms", "click 64 66 4 2\nopen 63 64 2 0\nopen 98304 100352 10 8"},
	{"campaign_ages", "SELECT from_hours, messages, delivered, opens, opened FROM campaign_ages ORDER BY from_hours", "24 0 0 6 4\nNULL 20 16 0 0"},
	{"campaign_paths", "SELECT arrayStringConcat(steps, ','), messages FROM campaign_paths ORDER BY messages", "none 2\ndelivered,opened 8"},
	{"recipients_engagement", "SELECT domain, provider, messages, opens, isNull(first_event_at), dateDiff('day', first_event_at, last_event_at), isNull(last_sent_at), isNull(last_opened_at), isNull(last_clicked_at) FROM recipients_engagement ORDER BY domain",
		" unknown 2 0 1 NULL 1 1 1\ngmail.com gmail 4 2 0 1 1 0 1"},
	{"messages_latest", "SELECT message_id, opens, revision FROM messages_latest", "m 2 2"},
	{"suppressions_active", "SELECT scope, recipient FROM suppressions_active", "list:4 ann@example.org"},
}

func checkViews(t *testing.T, conn driver.Conn) {
	t.Helper()
	for _, c := range viewChecks {
		if got := readRows(t, conn, c.query); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.view, got, c.want)
		}
	}
}

func TestViews(t *testing.T) {
	conn := migrated(t)
	fillViews(t, conn)
	checkViews(t, conn)
	checked := map[string]bool{}
	for _, c := range viewChecks {
		checked[c.view] = true
	}
	for _, view := range strings.Fields(readRows(t, conn, "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'")) {
		if !checked[view] {
			t.Errorf("view %s is not checked", view)
		}
	}
}

// A filter by tenant and campaign reaches the sort key through the views' sums.
func TestViewsAreNarrowedByTheirFilter(t *testing.T) {
	conn := migrated(t)
	fillViews(t, conn)
	for _, view := range []string{"campaigns", "campaign_series", "campaign_links", "campaign_countries", "campaign_clients", "campaign_machines", "campaign_domains",
		"campaign_bounces", "campaign_delays", "campaign_ages", "campaign_paths"} {
		plan := readRows(t, conn, "EXPLAIN indexes = 1 SELECT * FROM "+view+" WHERE tenant = 'default' AND campaign_id = '5'")
		_, keys, _ := strings.Cut(plan, "PrimaryKey")
		keys, _, _ = strings.Cut(keys, "Parts:")
		if !strings.Contains(keys, "tenant") || !strings.Contains(keys, "campaign_id") {
			t.Errorf("%s reads by %s", view, keys)
		}
	}
}

// After a rebuild the names that views read are other tables.
func TestViewsAfterARebuild(t *testing.T) {
	conn := migrated(t)
	if err := CreateTables(t.Context(), conn, 2, 1); err != nil {
		t.Fatal(err)
	}
	if err := Expose(t.Context(), conn, 2); err != nil {
		t.Fatal(err)
	}
	for _, c := range viewChecks {
		if n := number(t, conn, "SELECT count() FROM "+c.view); n != 0 {
			t.Errorf("%s shows %d rows of an empty generation", c.view, n)
		}
	}
	fillGeneration = 2
	t.Cleanup(func() { fillGeneration = schemas.FirstGeneration })
	fillViews(t, conn)
	checkViews(t, conn)
}

// Analysts read views over the read-only endpoint, which refuses what reaches
// outside of the database.
func TestViewsOverTheReadOnlyEndpoint(t *testing.T) {
	if os.Getenv("POSTHORN_TEST_CLICKHOUSE") != "" {
		t.Skip("the endpoint is the embedded engine's")
	}
	conn := migrated(t)
	fillViews(t, conn)
	var database string
	if err := conn.QueryRow(t.Context(), "SELECT currentDatabase()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	for _, c := range viewChecks {
		address := clickhousetest.Start(t).SQLURL() + "/?" + url.Values{"query": {c.query + " FORMAT TSVRaw"}, "database": {database}}.Encode()
		answer, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		want := strings.ReplaceAll(strings.ReplaceAll(c.want, " ", "\t"), "NULL", `\N`) + "\n"
		if err != nil || answer.StatusCode != http.StatusOK || strings.ReplaceAll(strings.ReplaceAll(string(body), "false", "0"), "true", "1") != want {
			t.Errorf("%s: %d %q, want %q (%v)", c.view, answer.StatusCode, body, want, err)
		}
	}
}

// readRows gives the rows of a query as text, NULL for null.
func readRows(t testing.TB, conn driver.Conn, query string) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return ""
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		row := make([]any, len(rows.ColumnTypes()))
		for i, c := range rows.ColumnTypes() {
			row[i] = reflect.New(c.ScanType()).Interface()
		}
		if err := rows.Scan(row...); err != nil {
			t.Fatal(err)
		}
		fields := make([]string, len(row))
		for i := range row {
			v := reflect.ValueOf(row[i])
			for v.Kind() == reflect.Pointer && !v.IsNil() {
				v = v.Elem()
			}
			if fields[i] = "NULL"; v.Kind() != reflect.Pointer {
				fields[i] = fmt.Sprint(v.Interface())
			}
		}
		all = append(all, strings.Join(fields, " "))
	}
	if err := rows.Err(); err != nil {
		t.Errorf("%s: %v", query, err)
	}
	return strings.Join(all, "\n")
}

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/internal/mailjetapi/mailjettest"
)

const reconcileSources = `sources:
  - {name: shop, provider: mailjet, account: main, username: u, password: topsecret}
  - {name: sg, provider: sendgrid, username: u, password: topsecret}
`

// delivered fills a database with one hour of campaign 7301: messages that were
// delivered, of which one was opened.
func delivered(t *testing.T, hour time.Time, messages int) (dsn string) {
	t.Helper()
	dsn = clickhousetest.Database(t)
	conn, err := analytics.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := analytics.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	at := hour.Unix()
	for _, sql := range []string{
		fmt.Sprintf(`INSERT INTO events (tenant, account, source, provider, campaign_id, type, occurred_at, received_at, event_id)
SELECT 'default', 'main', 'shop', 'mailjet', '7301', if(number < %d, 'delivered', 'opened'), fromUnixTimestamp(%d + 60), now64(), generateUUIDv4(number) FROM numbers(%d)`, messages, at, messages+1),
		fmt.Sprintf(`INSERT INTO campaign_statistics (tenant, campaign_id, campaign_name, basis, messages, delivered, opened, opens, last_event_at, version)
SELECT 'default', '7301', 'spring', 'lifetime', %d, %d, 1, 1, fromUnixTimestamp(%d + 60), 1`, messages, messages, at),
	} {
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return dsn
}

func TestReconcile(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("MJ_APIKEY_PUBLIC", mailjettest.PublicKey)
	t.Setenv("MJ_APIKEY_PRIVATE", mailjettest.PrivateKey)
	hour := time.Now().UTC().Truncate(time.Hour).Add(-30 * time.Hour)
	dsn := delivered(t, hour, 3)
	config := file(t, "posthorn.yaml", reconcileSources)
	account := mailjettest.Start(t)
	counted := func(opens, later int64) {
		life := mailjettest.Counters{"Total": 4, "MessageQueuedCount": 1, "MessageSentCount": 3, "MessageOpenedCount": 1, "EventOpenedCount": opens + later}
		hours := map[time.Time]mailjettest.Counters{hour: {"MessageSentCount": 3, "EventOpenedCount": opens}, hour.Add(2 * time.Hour): {"EventOpenedCount": later}}
		account.SetStatistics(mailjettest.Statistics{
			Campaigns: []mailjettest.Campaign{{ID: 7301, CustomValue: "spring", SendStartAt: hour}},
			Lifetime:  map[int64]mailjettest.Counters{7301: life},
			Hours:     map[int64]map[time.Time]mailjettest.Counters{0: hours, 7301: hours},
		})
	}
	run := func(wantCode int, args ...string) string {
		t.Helper()
		code, out, errOut := posthorn(t, append([]string{"reconcile", "--source", "shop", "-c", config, "--clickhouse", dsn, "--api-url", account.URL, "-q"}, args...)...)
		if code != wantCode || strings.Contains(out+errOut, mailjettest.PrivateKey) || strings.Contains(out+errOut, "topsecret") {
			t.Fatalf("%v: code %d\n%s%s", args, code, out, errOut)
		}
		return out
	}

	counted(1, 0)
	out := run(0)
	if !strings.Contains(out, "0 of 1 campaigns differ; of 168 hours 0 differ") || !strings.Contains(out, "RESULT reconcile_differences 0 count") || !strings.Contains(out, "delivered") {
		t.Errorf("without differences:\n%s", out)
	}

	counted(1, 5)
	missing := hour.Add(2*time.Hour).Format("2006-01-02 15:04") + "  webhooks are missing: opens 0 of 5"
	if out := run(1); strings.Count(out, missing) != 2 || !strings.Contains(out, "RESULT reconcile_differences 2 count") {
		t.Errorf("no %q twice in\n%s", missing, out)
	}
	run(0, "--tolerance", "5")
	run(1, "--tolerance", "4")
	if out := run(1, "--until", "29h", "--only-differences"); strings.Contains(out, missing) || strings.Contains(out, "delivered") {
		t.Errorf("until before the missing hour:\n%s", out)
	}
	var report struct {
		Source      string
		Differences int
		Hours       []struct{ Start time.Time }
	}
	if err := json.Unmarshal([]byte(run(1, "--json")), &report); err != nil || report.Source != "shop" || report.Differences != 2 || len(report.Hours) != 1 || !report.Hours[0].Start.Equal(hour.Add(2*time.Hour)) {
		t.Errorf("%+v, %v", report, err)
	}

	account.Fail(func(n int, _ *http.Request, after int) int {
		if after == 0 && n%2 == 0 {
			return http.StatusTooManyRequests
		}
		return 0
	})
	run(1)
}

func TestReconcileRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	config := file(t, "posthorn.yaml", reconcileSources)
	account := mailjettest.Start(t)
	keys := []string{"--api-key", "file:" + file(t, "public", mailjettest.PublicKey), "--api-secret", "file:" + file(t, "private", "wrong-secret")}
	dsn := delivered(t, time.Now().Add(-time.Hour), 1)
	for _, c := range []struct {
		args string
		keys []string
		says string
	}{
		{"", keys, "--source: is missing"},
		{"--source nobody", keys, `--source: source "nobody" is not configured: there are shop, sg`},
		{"--source sg", keys, "--source sg: is of sendgrid: only Mailjet's statistics can be asked for"},
		{"--source shop", nil, "--api-key: environment variable MJ_APIKEY_PUBLIC is not set"},
		{"--source shop", keys, "clickhouse.dsn: is missing"},
		{"--source shop --clickhouse " + dsn, keys, "401 Unauthorized"},
		{"--source shop --since yesterday", keys, "--since: "},
		{"--source shop --since 1h --until 3h", keys, "no hour between"},
		{"--source shop --since 500d", keys, "more than 400 days"},
		{"--source shop --tolerance -1", keys, "--tolerance: -1 is less than 0"},
	} {
		args := append(append([]string{"reconcile", "-c", config, "--api-url", account.URL}, strings.Fields(c.args)...), c.keys...)
		code, out, errOut := posthorn(t, args...)
		if code != 1 || !strings.Contains(errOut, c.says) || strings.Contains(out+errOut, "topsecret") || strings.Contains(out+errOut, "wrong-secret") {
			t.Errorf("%s: code %d, want %q:\n%s%s", c.args, code, c.says, out, errOut)
		}
	}
}

package mailbox

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
)

func migrated(t testing.TB) driver.Conn {
	t.Helper()
	conn, err := analytics.Open(t.Context(), clickhousetest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := analytics.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	return conn
}

func exec(t testing.TB, conn driver.Conn, query string, args ...any) {
	t.Helper()
	if err := conn.Exec(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

// known reads what is in force of all domains.
func known(t testing.TB, conn driver.Conn) map[string]string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT domain, argMax(concat(provider, ' by ', told_by), (told_by = 'table', looked_up_at)) FROM mailbox_providers GROUP BY domain`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := map[string]string{}
	for rows.Next() {
		var domain, provider string
		if err := rows.Scan(&domain, &provider); err != nil {
			t.Fatal(err)
		}
		all[domain] = provider
	}
	return all
}

// mailed says that so many messages went to a domain.
func mailed(t testing.TB, conn driver.Conn, tenant, domain string, messages int) {
	t.Helper()
	exec(t, conn, `INSERT INTO breakdowns (tenant, dimension, campaign_id, value, basis, window_start, messages) VALUES (?, 'domain', '', ?, 'send_time', '2026-10-01 00:00:00', ?)`, tenant, domain, messages)
}

func tableOf(t testing.TB, text string) *table {
	t.Helper()
	read, err := readTable(text)
	if err != nil {
		t.Fatal(err)
	}
	return &read
}

func TestInstallReplacesAnEarlierTableOnly(t *testing.T) {
	conn := migrated(t)
	install := func(of *table, want bool) {
		t.Helper()
		changed, err := of.install(t.Context(), conn)
		if err != nil || changed != want {
			t.Fatalf("changed: %v, want %v; %v", changed, want, err)
		}
	}
	first := tableOf(t, "revised 2026-01-01T00:00:00Z\nA: a.com both.com\nGone: gone.com")
	second := tableOf(t, "revised 2026-02-01T00:00:00Z\nA: a.com new.com\nB: both.com")
	install(first, true)
	install(first, false)
	// What is looked up later stays, unless the table says more.
	exec(t, conn, `INSERT INTO mailbox_providers VALUES ('new.com', 'looked up', 'mx', '2026-03-01 00:00:00'), ('stays.com', 'M', 'mx', '2026-03-01 00:00:00')`)
	install(second, true)
	exec(t, conn, "OPTIMIZE TABLE mailbox_providers FINAL")
	install(second, false)
	install(first, false) // An earlier build is started again.
	want := map[string]string{"a.com": "A by table", "both.com": "B by table", "new.com": "A by table", "stays.com": "M by mx"}
	if got := known(t, conn); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("in force: %v, want %v", got, want)
	}
}

func TestInstallWritesAll(t *testing.T) {
	conn := migrated(t)
	for _, want := range []bool{true, false} {
		if changed, err := Install(t.Context(), conn); err != nil || changed != want {
			t.Errorf("changed: %v, want %v; %v", changed, want, err)
		}
	}
	if got := known(t, conn); len(got) != len(domains.names) || got["gmail.com"] != "Gmail by table" {
		t.Errorf("%d domains, gmail.com is of %q", len(got), got["gmail.com"])
	}
}

func TestRoundLooksUpWhatIsUnknown(t *testing.T) {
	conn := migrated(t)
	server := startNameServer(t, map[string][]string{
		"workspace.de": {"aspmx.l.google.com."}, "own.de": {"mail.own.de."}, "expired.de": {"mx1.mail.ovh.net."}, "fresh.de": {"mx1.mail.ovh.net."}, "foreign.de": {"mx1.mail.ovh.net."},
		"was-none.de": {"mx1.mail.ovh.net."},
	})
	for _, domain := range []string{"gmail.com", "workspace.de", "own.de", "missing.de", "expired.de", "fresh.de", "was-none.de", "shop.example", "www.example.org", "localhost", "", "1.2.3.4", "x.test"} {
		mailed(t, conn, "default", domain, 5)
	}
	mailed(t, conn, "other", "foreign.de", 5)
	mailed(t, conn, "default", "emptied.de", 5)
	mailed(t, conn, "default", "emptied.de", -5)
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d).UTC() }
	exec(t, conn, `INSERT INTO mailbox_providers VALUES ('expired.de', 'Old', 'mx', ?), ('fresh.de', 'Fresh', 'mx', ?), ('was-none.de', '', 'mx', ?)`,
		ago(keepKnown+time.Hour), ago(keepKnown-time.Hour), ago(keepUnknown+time.Hour))
	reg := prometheus.NewRegistry()
	w := NewWorker(WorkerConfig{Conn: conn, Resolver: server.resolver(), Rate: 1000, Registerer: reg})
	if _, err := Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if more, err := w.Round(t.Context()); more || err != nil {
		t.Fatalf("more: %v, %v", more, err)
	}
	got := known(t, conn)
	for domain, want := range map[string]string{
		"workspace.de": "Google Workspace by mx", "own.de": "other by mx", "missing.de": " by mx", "expired.de": "OVHcloud by mx", "fresh.de": "Fresh by mx", "was-none.de": "OVHcloud by mx",
		"gmail.com": "Gmail by table", "foreign.de": "", "emptied.de": "",
	} {
		if got[domain] != want {
			t.Errorf("%s is of %q, want %q", domain, got[domain], want)
		}
	}
	for _, domain := range []string{"gmail.com", "fresh.de", "shop.example", "www.example.org", "localhost", "1.2.3.4", "x.test", "emptied.de", ""} {
		if server.questions(domain) > 0 {
			t.Errorf("%q was asked for", domain)
		}
	}
	before := server.questions("own.de")
	if more, err := w.Round(t.Context()); more || err != nil || server.questions("own.de") != before {
		t.Errorf("a second round: more %v, %v, asked again %d times", more, err, server.questions("own.de")-before)
	}
	told := gathered(t, reg)
	for name, want := range map[string]float64{"posthorn_mailbox_lookups_total known": 3, "posthorn_mailbox_lookups_total other": 1, "posthorn_mailbox_lookups_total none": 1, "posthorn_mailbox_domains_waiting": 0} {
		if got, is := told[name]; !is || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

// gathered are the counters and gauges of a registry, by name and label.
func gathered(t testing.TB, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			told[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return told
}

func TestFirstThoseWithMostMessages(t *testing.T) {
	conn := migrated(t)
	exchangers := map[string][]string{}
	for i := range roundSize + 10 {
		domain := fmt.Sprintf("d%03d.de", i)
		exchangers[domain] = []string{"aspmx.l.google.com."}
		mailed(t, conn, "default", domain, 1+i)
	}
	server := startNameServer(t, exchangers)
	w := NewWorker(WorkerConfig{Conn: conn, Resolver: server.resolver(), Rate: 10_000})
	if more, err := w.Round(t.Context()); !more || err != nil {
		t.Fatalf("more: %v, %v", more, err)
	}
	if got := known(t, conn); len(got) != roundSize || got["d000.de"] != "" || got[fmt.Sprintf("d%03d.de", roundSize+9)] == "" {
		t.Errorf("%d looked up", len(got))
	}
	if more, err := w.Round(t.Context()); more || err != nil || len(known(t, conn)) != roundSize+10 {
		t.Errorf("more: %v, %v, %d looked up", more, err, len(known(t, conn)))
	}
}

func TestFailures(t *testing.T) {
	conn := migrated(t)
	server := startNameServer(t, map[string][]string{"fine.de": {"aspmx.l.google.com."}})
	for _, domain := range []string{"broken.de", "fine.de", "fine2.de", "fine3.de"} {
		mailed(t, conn, "default", domain, 5)
	}
	// No answer at all says nothing of the domains.
	server.set(func() { server.mute = true })
	w := NewWorker(WorkerConfig{Conn: conn, Resolver: server.resolver(), Rate: 1000, Timeout: 50 * time.Millisecond})
	if _, err := w.Round(t.Context()); !errors.Is(err, errNoAnswer) {
		t.Errorf("nobody answers: %v", err)
	}
	if got := known(t, conn); len(got) != 0 {
		t.Errorf("learnt from nobody: %v", got)
	}
	// One that fails is asked for some times, and then kept as unknown.
	server.set(func() { server.mute, server.fails["broken.de"] = false, true })
	w.cfg.Timeout = 5 * time.Second
	for try := range maxTries {
		if _, err := w.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, is := known(t, conn)["broken.de"]
		if is != (try == maxTries-1) {
			t.Errorf("after %d tries: %q, %v", try+1, got, is)
		}
	}
	if got := known(t, conn); got["fine.de"] != "Google Workspace by mx" || got["broken.de"] != " by mx" {
		t.Errorf("in force: %v", got)
	}
}

func TestRunStopsAndKeepsWhatItFound(t *testing.T) {
	conn := migrated(t)
	server := startNameServer(t, map[string][]string{"fine.de": {"aspmx.l.google.com."}})
	mailed(t, conn, "default", "fine.de", 5)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	w := NewWorker(WorkerConfig{Conn: conn, Resolver: server.resolver(), Interval: 20 * time.Millisecond})
	go func() { done <- w.Run(ctx) }()
	await(t, func() bool { return known(t, conn)["fine.de"] != "" })
	// A domain that comes later is found as well.
	server.set(func() { server.exchangers["later.de"] = []string{"mx.own.de."} })
	mailed(t, conn, "default", "later.de", 5)
	await(t, func() bool { return known(t, conn)["later.de"] == "other by mx" })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestOffAsksNobody(t *testing.T) {
	conn := migrated(t)
	server := startNameServer(t, nil)
	mailed(t, conn, "default", "fine.de", 5)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- NewWorker(WorkerConfig{Conn: conn, Off: true, Resolver: server.resolver(), Interval: time.Millisecond}).Run(ctx)
	}()
	await(t, func() bool { return known(t, conn)["gmail.com"] != "" })
	cancel()
	if err := <-done; err != nil || server.questions("fine.de") != 0 {
		t.Errorf("asked %d times; %v", server.questions("fine.de"), err)
	}
}

func await(t testing.TB, f func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !f() {
		select {
		case <-deadline:
			t.Fatal("it did not come to it in time")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

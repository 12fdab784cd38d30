package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/receiver"
)

// kindsRules has a rule of every kind, with spans of seconds.
const kindsRules = `
rules:
  - {name: click, immediate: {event: clicked}, cooldown: 1h, call: shop}
  - {name: opened-soon, within: {event: opened, of: send, duration: 10s}, once_per: recipient, call: shop}
  - {name: silent, absence: {event: opened, of: send, duration: 3s, wait: 1s}, call: shop}
  - {name: journey, sequence: {events: [send, opened, clicked], duration: 1m}, call: shop}
  - {name: clicks, count: {event: clicked, times: 2, duration: 10s}, call: shop}
  - {name: opens, count: {event: opened, times: 3, duration: 1m, per: recipient}, active: {from: "09:00", to: "10:00", time_zone: Asia/Kathmandu}, call: shop}
  - {name: bounces, rate: {event: bounced, of: [delivered, bounced], above: 5%, duration: 5s, every: 1s, minimum: 3}, max_age: 1h, call: shop}
  - {name: complaints, count: {event: complained, times: 2, duration: 10s, per: campaign, every: 1s}, cooldown: 1d, call: shop}
`

// TestRulesOfAllKinds posts events over some seconds, across a restart, and has
// verify say beside the traffic and after it that just what must fire has fired.
func TestRulesOfAllKinds(t *testing.T) {
	dir := t.TempDir()
	shop, err := receiver.Start("127.0.0.1:0", receiver.Config{Secrets: []string{shopKey}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shop.Close() })
	gateway, api := address(t), address(t)
	path := filepath.Join(dir, "posthorn.yaml")
	yaml := fmt.Sprintf("data: %s\ngateway: {listen: %s}\napi: {listen: %s}\nmetrics: {listen: %s}\nclickhouse: {listen: %s, sql_listen: %s}\nkafka: {listen: %s}\nregistry: {listen: %s}\nsources: [{name: app, provider: native, account: shop, key: kinds-key}]\nrules: [rules.yaml]\nendpoints: [{name: shop, url: %q, secret: %q, allow_private: true}]\n",
		filepath.Join(dir, "data"), gateway, api, address(t), address(t), address(t), address(t), address(t), shop.URL(), shopKey)
	for file, text := range map[string]string{path: yaml, filepath.Join(dir, "rules.yaml"): kindsRules} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	up := start(t, "up", "up", "--config", path)
	ready := func() {
		eventually(t, 3*time.Minute, "starting", func() error { return httpOK("http://" + gateway + "/readyz") })
	}
	ready()
	verify := func() string {
		t.Helper()
		out, err := run(t, 2*time.Minute, "verify", "--config", path, "--quiet")
		if err != nil {
			t.Fatalf("verify: %v\n%s", err, out)
		}
		return out
	}
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 4 {
		if round == 2 {
			up.stop()
			up.launch()
			ready()
		}
		postKinds(t, gateway, round, r)
		verify()
	}
	connect := func() (driver.Conn, error) {
		session, err := config.Load(filepath.Join(dir, "data", "running.yaml"), nil)
		if err != nil {
			return nil, err
		}
		return analytics.Open(t.Context(), session.ClickHouse.DSN)
	}
	fired := func() (map[string]uint64, error) {
		conn, err := connect()
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		rows, err := conn.Query(t.Context(), "SELECT rule, state, count() FROM triggers GROUP BY rule, state")
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		counts := map[string]uint64{}
		for rows.Next() {
			var rule, state string
			var n uint64
			if err := rows.Scan(&rule, &state, &n); err != nil {
				return nil, err
			}
			counts[strings.TrimSpace(rule+" "+state)] = n
		}
		return counts, rows.Err()
	}
	eventually(t, time.Minute, "waiting for all rules to fire", func() error {
		counts, err := fired()
		if err != nil {
			return err
		}
		for _, rule := range []string{"click", "opened-soon", "silent", "journey", "clicks", "opens", "bounces raised", "bounces cleared", "complaints"} {
			if counts[rule] == 0 {
				return fmt.Errorf("%s has not fired: %v", rule, counts)
			}
		}
		return nil
	})
	if out := verify(); !strings.Contains(out, "What rules wait for is judged up to 2") {
		t.Errorf("nothing is known of the frontier:\n%s", out)
	} else {
		t.Log(out)
	}
	// Derived anew, all at once, it is the same, and nobody is called again.
	out, err := run(t, 3*time.Minute, "rebuild", "--config", path, "--quiet")
	if err != nil || !strings.Contains(out, "Generation 2 is live") {
		t.Fatalf("rebuild: %v\n%s", err, out)
	}
	verify()
	anew := triggerStatuses(t, path, "posthorn.triggers.2")
	for id, status := range triggerStatuses(t, path, "posthorn.triggers") {
		if anew[id] != status {
			t.Errorf("trigger %s was %s, and is %q derived anew", id, status, anew[id])
		}
	}
	if stats := shop.Stats(); stats.Unique == 0 || stats.Duplicates > 0 || stats.BadSignatures > 0 {
		t.Errorf("calls: %+v", stats)
	}
	// What somebody has changed in the tables is found.
	conn, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, change := range []string{
		"ALTER TABLE triggers_2 UPDATE hits = hits + 1 WHERE rule = 'complaints' SETTINGS mutations_sync = 2",
		"ALTER TABLE suppressions_2 UPDATE since = since + INTERVAL 1 SECOND WHERE 1 SETTINGS mutations_sync = 2",
	} {
		if err := conn.Exec(t.Context(), change); err != nil {
			t.Fatalf("%s: %v", change, err)
		}
	}
	out, err = run(t, 2*time.Minute, "verify", "--config", path, "--quiet")
	if err == nil || !strings.Contains(out, "the sum of hits is") || !strings.Contains(out, "ClickHouse suppressions: {") {
		t.Errorf("verify of changed tables: %v\n%s", err, out)
	}
}

// triggerStatuses are the statuses of the triggers in a topic, by id.
func triggerStatuses(t *testing.T, config, topic string) map[string]string {
	t.Helper()
	statuses := map[string]string{}
	for _, value := range tailTopic(t, config, topic) {
		var trigger struct {
			ID     string `json:"trigger_id"`
			Status string
		}
		if err := json.Unmarshal(value, &trigger); err != nil {
			t.Fatal(err)
		}
		statuses[trigger.ID] = trigger.Status
	}
	if len(statuses) == 0 {
		t.Errorf("%s is empty", topic)
	}
	return statuses
}

// postKinds posts what happens to some messages, some of it twice.
func postKinds(t *testing.T, gateway string, round int, r *rand.Rand) {
	t.Helper()
	var lines []string
	for i := range 60 {
		message := map[string]any{
			"message_id": fmt.Sprintf("m%d-%d", round, i), "recipient": fmt.Sprintf("reader%d@example.org", r.IntN(25)), "campaign_id": "spring",
		}
		happens := []string{"sent", "delivered"}
		for range r.IntN(5) {
			happens = append(happens, []string{"opened", "clicked", "clicked", "bounced", "complained", "unsubscribed"}[r.IntN(6)])
		}
		for k, kind := range happens {
			message["type"], message["bounce_class"], message["url"] = kind, "hard", "https://shop.example"
			message["event_id"] = fmt.Sprintf("e%d-%d-%d", round, i, k)
			message["occurred_at"] = time.Now().Add(-8*time.Second + time.Duration(k)*2*time.Second).UnixMicro()
			line, err := json.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			for range 1 + r.IntN(10)/9 {
				lines = append(lines, string(line))
			}
		}
	}
	r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	for len(lines) > 0 {
		n := min(len(lines), 20)
		postNative(t, gateway, "kinds-key", strings.Join(lines[:n], "\n"))
		lines = lines[n:]
	}
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSuppressions suppresses by events, asks over HTTP and the command line,
// lifts, and wants the same after everything was derived anew.
func TestSuppressions(t *testing.T) {
	dir := t.TempDir()
	gateway, api := address(t), address(t)
	config := filepath.Join(dir, "posthorn.yaml")
	yaml := fmt.Sprintf("data: %s\ngateway: {listen: %s}\napi: {listen: %s}\nmetrics: {listen: %s}\nclickhouse: {listen: %s, sql_listen: %s}\nkafka: {listen: %s}\nregistry: {listen: %s}\nsources: [{name: app, provider: native, account: shop, key: suppress-key}]\n",
		filepath.Join(dir, "data"), gateway, api, address(t), address(t), address(t), address(t), address(t))
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, "up", "up", "--config", config)
	eventually(t, 3*time.Minute, "starting", func() error { return httpOK("http://" + gateway + "/readyz") })

	ago := func(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339) }
	events := []string{
		`{"type":"bounced","bounce_class":"hard","recipient":"Ann@Example.org","message_id":"1","campaign_id":"spring","occurred_at":"` + ago(3*time.Hour) + `"}`,
		`{"type":"complained","recipient":"ann@example.org","message_id":"2","occurred_at":"` + ago(2*time.Hour) + `"}`,
		`{"type":"bounced","bounce_class":"soft","recipient":"bob@example.org","message_id":"3","occurred_at":"` + ago(2*time.Hour) + `"}`,
		`{"type":"unsubscribed","list_id":"7","recipient":"cem@example.org","message_id":"4","occurred_at":"` + ago(2*time.Hour) + `"}`,
	}
	postNative(t, gateway, "suppress-key", strings.Join(events, "\n"))

	csv := func(args ...string) string {
		t.Helper()
		out, err := run(t, time.Minute, append([]string{"suppressions", "--config", config, "--csv"}, args...)...)
		if err != nil {
			t.Fatalf("posthorn suppressions: %v\n%s", err, out)
		}
		return out
	}
	eventually(t, time.Minute, "waiting for suppressions", func() error {
		out := csv()
		if !strings.Contains(out, ",all,complaint,true,") || !strings.Contains(out, "cem@example.org") {
			return fmt.Errorf("there are %s", out)
		}
		return nil
	})
	if out := csv("--active", "any"); strings.Count(out, "\n") != 3 || strings.Contains(out, "bob@") {
		t.Errorf("more than two suppressions:\n%s", out)
	}
	check := func(address string, suppressed bool) {
		t.Helper()
		out, err := run(t, time.Minute, "suppressions", "check", address, "--config", config)
		if suppressed != (err != nil) || !strings.Contains(out, address) {
			t.Errorf("check of %s: %v\n%s", address, err, out)
		}
	}
	check("ANN@example.org", true)
	check("bob@example.org", false)
	check("cem@example.org", false) // of list 7 alone

	out, err := run(t, time.Minute, "suppressions", "unsuppress", "ann@example.org", "--reason", "by phone", "--config", config)
	if err != nil || !strings.Contains(out, "complaint") || !strings.Contains(out, "Lifted.") {
		t.Fatalf("unsuppress: %v\n%s", err, out)
	}
	check("ann@example.org", false)

	// It is in the source of truth.
	if out, err := run(t, 3*time.Minute, "rebuild", "--config", config, "--quiet"); err != nil || !strings.Contains(out, "Generation 2 is live") {
		t.Fatalf("rebuild: %v\n%s", err, out)
	}
	eventually(t, time.Minute, "waiting for the new generation", func() error {
		if out := csv("--active", "any", "--scope", "all"); !strings.Contains(out, ",all,complaint,false,") {
			return fmt.Errorf("after a rebuild: %s", out)
		}
		return nil
	})
	check("ann@example.org", false)
	if err := httpOK("http://" + api + "/v1/rules"); err != nil {
		t.Error(err)
	}
}

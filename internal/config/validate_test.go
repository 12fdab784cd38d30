package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// problems flattens a joined error.
func problems(err error) map[string]string {
	found := map[string]string{}
	var walk func(error)
	walk = func(err error) {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				walk(e)
			}
			return
		}
		var f *FieldError
		if errors.As(err, &f) {
			found[f.Field] = f.Error()
		}
	}
	walk(err)
	return found
}

func TestDefaultsAreValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	c := Default()
	c.Tenant = "no spaces please"
	c.TimeZone = "Europe/Pariss"
	c.Log.Level = "loud"
	c.Kafka.Partitions = 0
	c.Kafka.Brokers = []string{"nohost"}
	c.Gateway.ByteBudget, c.Gateway.Spool.MaxSize = 1, 1<<20
	c.Gateway.DrainDelay = -time.Second
	c.ClickHouse.DSN = "not a dsn with topsecret"
	c.Processor.Stages = []string{"normalise"}
	c.Processor.MessageHorizon, c.Processor.WindowRetention = time.Hour, 7*time.Minute
	c.RecipientSecret = Secret{Inline: "short"}
	c.Sources = []Source{
		{Name: "a", Provider: "mailjet", Account: "a", Username: "u", Rate: -1, Burst: -1, Concurrency: -1},
		{Name: "a", Provider: "carrier-pigeon", Account: "a"},
	}
	c.Endpoints = []Endpoint{
		{Name: "e", URL: "ftp://x", Secret: Secret{Env: "POSTHORN_TEST_NOT_SET"}},
		{Name: "e", Secret: Secret{Inline: "whsec_short"}},
		{Name: "f", URL: "https://x/y"},
	}
	found := problems(c.Validate())
	for _, field := range []string{
		"tenant", "time_zone", "log.level", "kafka.partitions", "kafka.brokers[0]", "gateway.byte_budget", "gateway.drain_delay", "gateway.spool.max_size", "clickhouse.dsn",
		"processor.stages[0]", "processor.message_horizon", "processor.window_retention", "recipient_secret", "sources[0]", "sources[0].rate", "sources[0].burst", "sources[0].concurrency", "sources[1].name", "sources[1].provider",
		"endpoints[0].url", "endpoints[0].secret", "endpoints[1].name", "endpoints[1].url", "endpoints[1].secret", "endpoints[2].secret",
	} {
		if found[field] == "" {
			t.Errorf("%s is not reported", field)
		}
		delete(found, field)
	}
	for field, message := range found {
		t.Errorf("unexpected: %s: %s", field, message)
	}
}

func TestProblemsDoNotShowSecrets(t *testing.T) {
	c := Default()
	c.ClickHouse.DSN = "bad://u:topsecret@h"
	c.Endpoints = []Endpoint{{Name: "e", URL: "https://x", Secret: Secret{Inline: "topsecret"}}}
	if err := c.Validate(); err == nil || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("%v", err)
	}
}

func TestNeeds(t *testing.T) {
	found := problems(Default().Validate(NeedKafka, NeedClickHouse, NeedSources, NeedRecipientSecret))
	for _, field := range []string{"kafka.brokers", "registry.url", "clickhouse.dsn", "sources", "recipient_secret"} {
		if found[field] == "" {
			t.Errorf("%s is not reported", field)
		}
	}
	c := Default()
	c.Kafka.Brokers, c.Registry.URL = []string{"k:9092"}, "http://r:8081"
	if err := c.Validate(NeedKafka); err != nil {
		t.Error(err)
	}
}

func TestSecretForms(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte("of the file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("POSTHORN_TEST_SECRET", "of the environment")
	for _, c := range []struct {
		s       Secret
		want    string
		wantErr bool
	}{
		{s: Secret{}, want: ""},
		{s: Secret{Inline: "plain"}, want: "plain"},
		{s: Secret{File: file}, want: "of the file"},
		{s: Secret{Env: "POSTHORN_TEST_SECRET"}, want: "of the environment"},
		{s: Secret{File: filepath.Join(dir, "missing")}, wantErr: true},
		{s: Secret{Env: "POSTHORN_TEST_NOT_SET"}, wantErr: true},
	} {
		got, err := c.s.Value()
		if got != c.want || (err != nil) != c.wantErr {
			t.Errorf("%s: %q, %v", c.s, got, err)
		}
	}
}

func TestChoices(t *testing.T) {
	for text, want := range map[string][2]bool{"true": {true, true}, "false": {false, false}, "auto": {false, true}, "": {false, true}} {
		var c, back Choice
		if err := c.Set(text); err != nil || c.Or(false) != want[0] || c.Or(true) != want[1] {
			t.Errorf("%q: %v, %v", text, c, err)
		}
		if err := back.Set(c.String()); err != nil || back != c {
			t.Errorf("%q back: %v, %v", c, back, err)
		}
	}
	if err := new(Choice).Set("yes"); err == nil {
		t.Error("yes is taken")
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"4096": 4096, "10MiB": 10 << 20, "64 KiB": 64 << 10, "1GiB": 1 << 30, "7B": 7, "0": 0} {
		var s Size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%q: %d, %v", text, s, err)
		}
		var back Size
		if err := back.Set(s.String()); err != nil || back != s {
			t.Errorf("%q back: %d, %v", s, back, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "9999999999GiB", "10MB"} {
		if err := new(Size).Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestLocation(t *testing.T) {
	for name, want := range map[string]bool{"UTC": true, "Europe/Paris": true, "Asia/Kathmandu": true, "": false, "Local": false, "Paris": false, "+02:00": false} {
		c := Default()
		c.TimeZone = name
		loc, err := c.Location()
		if (err == nil) != want || want && loc.String() != name {
			t.Errorf("%q: %v %v", name, loc, err)
		}
		if (problems(c.Validate())["time_zone"] == "") != want {
			t.Errorf("%q is valid: %v", name, c.Validate())
		}
	}
}

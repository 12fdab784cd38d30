package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/telemetry"
	"github.com/posthorn/posthorn/processor/trigger"
)

func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("waited for %s in vain", what)
		case <-tick.C:
		}
	}
}

// A process takes up changed rules, refuses those that call an endpoint that it
// does not know, and shows both.
func TestRulesAreReloaded(t *testing.T) {
	// Ours too: a signal that nobody listens to yet would end the test.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	path := filepath.Join(t.TempDir(), "rules.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("rules: ["+text+"]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const a = "{name: a, immediate: {event: opened}, call: shop}"
	write(a)
	cfg := config.Default()
	cfg.Rules, cfg.Endpoints = []string{path}, []config.Endpoint{{Name: "shop"}}
	n := &node{cfg: cfg, log: slog.New(slog.DiscardHandler), reg: prometheus.NewRegistry(), health: telemetry.NewHealth(), board: newBoard()}
	ctx, stop := context.WithCancel(t.Context())
	to := actorsUntil(ctx, n.log)
	live, err := n.liveRules(to)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- to.run() }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	ages := maxAges(live)
	if ages("a") != 48*time.Hour || ages("b") != 0 {
		t.Error(ages("a"), ages("b"))
	}

	write(a + ", {name: b, immediate: {event: clicked}, call: shpo}")
	until(t, "the refusal", func() bool {
		return strings.Contains(n.board.status("").Rules.Problem, `endpoint "shpo" is not configured`)
	})
	if ready, parts := n.health.Ready(); !ready || !strings.Contains(parts[0].Detail, "shpo") {
		t.Errorf("ready %t: %+v", ready, parts)
	}
	if live.Load().Rule("b") != nil || live.Load().Rule("a") == nil {
		t.Error("rules with a mistake are in force")
	}
	write(a + ", {name: b, immediate: {event: clicked}, call: shop, max_age: 1h}")
	until(t, "rule b", func() bool { return live.Load().Rule("b") != nil })
	if ages("b") != time.Hour || n.board.status("").Rules.Problem != "" {
		t.Errorf("%s, %+v", ages("b"), n.board.status("").Rules)
	}

	before := n.board.status("").Rules.Since
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "another look", func() bool { return n.board.status("").Rules.Since.After(before) })
}

func TestRulesOfAnUnknownEndpointDoNotStart(t *testing.T) {
	cfg := config.Default()
	cfg.Rules = []string{file(t, "rules.yaml", "rules: [{name: a, immediate: {event: opened}, call: shop}]\n")}
	n := &node{cfg: cfg, log: slog.New(slog.DiscardHandler), reg: prometheus.NewRegistry(), health: telemetry.NewHealth(), board: newBoard()}
	if _, err := n.liveRules(actorsUntil(t.Context(), n.log)); err == nil || !strings.Contains(err.Error(), `endpoint "shop" is not configured`) {
		t.Error(err)
	}
}

func TestInstants(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"0": now, "90m": now.Add(-90 * time.Minute), "7d": now.AddDate(0, 0, -7), "2026-03-01T00:00:00+01:00": now.AddDate(0, 0, -2).Add(14 * time.Hour),
	} {
		if at, err := instant("--since", text, now); err != nil || !at.Time().Equal(want) {
			t.Errorf("%s: %s, %v", text, at, err)
		}
	}
	for _, text := range []string{"", "-1h", "7", "d", "-7d", "tomorrow"} {
		if at, err := instant("--since", text, now); err == nil {
			t.Errorf("%q is %s", text, at)
		}
	}
}

func TestChooseRule(t *testing.T) {
	set, err := trigger.Parse("r.yaml", []byte("rules: [{name: b, immediate: {event: opened}}, {name: a, immediate: {event: opened}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := chooseRule(set, "b"); err != nil {
		t.Error(err)
	}
	if err := chooseRule(set, "c"); err == nil || !strings.Contains(err.Error(), "the rules are a, b") {
		t.Error(err)
	}
}

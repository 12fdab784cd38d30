package main

import (
	"strings"
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/embedded/clickhouse/clickhousetest"
	"github.com/posthorn/posthorn/internal/export"
)

func TestExportIsRefusedBeforeAnythingIsAsked(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, problem := range map[string]string{
		"export":                                     "accepts 1 arg(s)",
		"export evnts":                               `"evnts" can't be exported: name one of deliveries, events`,
		"export events --format xml":                 `format "xml": one of csv`,
		"export events --since yesterday":            `--since: "yesterday" is neither`,
		"export events --until soon":                 `--until: "soon" is neither`,
		"export events --since 1d --until 2d":        "nothing between them",
		"export events --format avro --columns type": "columns can't be chosen for avro",
		"export events --out=":                       "out is missing",
		"export events --format csv":                 "clickhouse.dsn: is missing",
		"export events --format avro --out x.avro":   "kafka.brokers: is missing",
	} {
		if code, _, errOut := posthorn(t, strings.Fields(args)...); code != 1 || !strings.Contains(errOut, problem) {
			t.Errorf("%s: code %d, %q", args, code, errOut)
		}
	}
}

func TestExportOptions(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	o := exportOptions{since: "7d", until: "2026-03-01", format: export.CSV, out: "x", resume: true}
	c, err := o.export("events", now)
	if err != nil || !c.Since.Equal(now.Add(-7*24*time.Hour)) || !c.Until.Equal(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) || c.Restart {
		t.Errorf("%+v, %v", c, err)
	}
	// An export of the last 7 days goes on a minute later as the same one.
	later, err := o.export("events", now.Add(time.Minute))
	if err != nil || later.Asked != c.Asked {
		t.Errorf("%q and %q, %v", later.Asked, c.Asked, err)
	}
}

func TestExportFromADatabase(t *testing.T) {
	t.Chdir(t.TempDir())
	dsn := clickhousetest.Database(t)
	if code, _, errOut := posthorn(t, "migrate", "--clickhouse", dsn); code != 0 {
		t.Fatal(errOut)
	}
	for _, table := range export.Tables() {
		code, out, errOut := posthorn(t, "export", table, "--clickhouse", dsn, "--since", "7d", "--quiet")
		if code != 0 || !strings.HasPrefix(out, "tenant,") || strings.Count(out, "\n") != 1 || !strings.Contains(errOut, "0 rows exported") {
			t.Errorf("%s: code %d, %q, %q", table, code, out, errOut)
		}
	}
	code, _, errOut := posthorn(t, "export", "events", "--clickhouse", dsn, "--columns", "typ", "--out", "x")
	if code != 1 || !strings.Contains(errOut, `events has no column "typ"`) {
		t.Errorf("code %d, %q", code, errOut)
	}
}

package main

import (
	"strings"
	"testing"
)

// The SQL is written without a ClickHouse, for both layouts.
func TestMigratePrint(t *testing.T) {
	t.Setenv("POSTHORN_DATA", t.TempDir())
	for _, tc := range []struct {
		args       []string
		want, none string
	}{
		{nil, "CREATE TABLE IF NOT EXISTS events\n", "ON CLUSTER"},
		{[]string{"--cluster", "mail"}, "CREATE TABLE IF NOT EXISTS events_local ON CLUSTER 'mail'\n", "ENGINE = MergeTree"},
	} {
		code, out, errOut := posthorn(t, append([]string{"migrate", "--print"}, tc.args...)...)
		if code != 0 || !strings.Contains(out, tc.want) || strings.Contains(out, tc.none) || strings.Contains(out, "{{") {
			t.Errorf("%v: exit %d, %s\n%.2000s", tc.args, code, errOut, out)
		}
	}
	if code, _, errOut := posthorn(t, "migrate", "--print", "--cluster", "a'b"); code == 0 || !strings.Contains(errOut, "clickhouse.cluster") {
		t.Errorf("a name that is none: exit %d, %s", code, errOut)
	}
}

package clickhouse

import (
	"testing"
)

func TestExamine(t *testing.T) {
	for _, test := range []struct {
		sql  string
		want shape
	}{
		{"SELECT 1", shape{end: 8}},
		{"SELECT 1 ; -- bye", shape{end: 8}},
		{"SELECT 1 FORMAT JSON", shape{format: "JSON", beforeFmt: 9, end: 20}},
		{"SELECT 1 format CSV SETTINGS a = 1", shape{format: "CSV", beforeFmt: 9, end: 34}},
		{"SELECT format('{}', 1), (SELECT 'FORMAT JSON')", shape{end: 46}},
		{"SELECT 1 -- FORMAT JSON", shape{end: 8}},
		{"SELECT 1 /* FORMAT /* JSON */ */", shape{end: 8}},
		{"CREATE TEMPORARY TABLE x (n UInt8)", shape{temporary: true, end: 34}},
		{"INSERT INTO t (a, b) FORMAT Native", shape{insert: true, format: "Native", beforeFmt: 21, dataStart: 34, end: 34}},
		{"insert into t values", shape{insert: true, format: "Values", beforeFmt: 14, dataStart: 20, end: 20}},
		{"INSERT INTO t VALUES (1)", shape{insert: true, format: "Values", beforeFmt: 14, dataStart: 20, end: 24, source: true}},
		{"INSERT INTO t SELECT 1 FORMAT CSV", shape{insert: true, beforeFmt: 33, dataStart: 33, end: 33, source: true}},
		{"INSERT INTO t SETTINGS x = 'FORMAT' FORMAT TSV\n1\t2", shape{insert: true, format: "TSV", beforeFmt: 36, dataStart: 46, end: 50, source: true}},
		{"INSERT INTO t (a)", shape{insert: true, beforeFmt: 17, dataStart: 17, end: 17}},
		{"", shape{}},
	} {
		if got := examine(test.sql); got != test.want {
			t.Errorf("%q\n got %+v\nwant %+v", test.sql, got, test.want)
		}
	}
}

func FuzzLexer(f *testing.F) {
	for _, seed := range []string{"SELECT 'a''b\\'' `x` \"y\" /* /* */ */ -- z\n$a$ b $a$ # c", "INSERT INTO t FORMAT Native\x00\xff", "‘’“”", "$", "'", "/*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		l := lexer{sql: sql}
		for end := 0; ; {
			token := l.next()
			if token.start < end || token.end < token.start || token.end > len(sql) {
				t.Fatalf("token %+v after %d", token, end)
			}
			if token.kind == tokenEnd {
				break
			}
			if token.end == token.start {
				t.Fatalf("an empty token %+v", token)
			}
			end = token.end
		}
		s := examine(sql)
		if s.end > len(sql) || s.beforeFmt > len(sql) || s.dataStart > len(sql) || s.insert && s.beforeFmt > s.dataStart {
			t.Fatalf("shape %+v", s)
		}
	})
}

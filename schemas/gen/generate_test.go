package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is committed is what the schemas give: this is the check of drift.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	for _, tt := range []struct {
		file string
		c    config
	}{
		{"../records_gen.go", config{pkg: "schemas", dir: ".."}},
		{"gentest/kitchen_gen.go", config{pkg: "gentest", dir: "gentest", contract: ".."}},
	} {
		want, err := generate(tt.c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the schemas give: run go generate ./schemas/...", tt.file)
		}
	}
}

func TestRefused(t *testing.T) {
	record := func(fields string) string {
		return `{"type":"record","name":"R","namespace":"x","fields":[` + fields + `]}`
	}
	for _, tt := range []struct{ name, want, schema string }{
		{"not JSON", "unexpected EOF", `{`},
		{"not a record", "not a record", `{"type":"enum","name":"E","symbols":["a"]}`},
		{"misspelt attribute", "unknown field", record(`{"name":"a","type":"int","defualt":1}`)},
		{"unknown type", "type x.text is not known", record(`{"name":"a","type":"text"}`)},
		{"float", "float is not supported", record(`{"name":"a","type":"float"}`)},
		{"logical type", "timestamp-millis of long", record(`{"name":"a","type":{"type":"long","logicalType":"timestamp-millis"}}`)},
		{"union", `only ["null", X]`, record(`{"name":"a","type":["int","string"]}`)},
		{"null last", `only ["null", X]`, record(`{"name":"a","type":["int","null"]}`)},
		{"null without default", "needs the default null", record(`{"name":"a","type":["null","int"]}`)},
		{"null or enum", "zero value is not null", record(`{"name":"a","type":["null",{"type":"enum","name":"E","symbols":["x"]}],"default":null}`)},
		{"recursion", "contains itself", record(`{"name":"a","type":["null","R"],"default":null}`)},
		{"items of no size", "take no bytes", record(`{"name":"a","type":{"type":"array","items":{"type":"record","name":"Z","fields":[]}}}`)},
		{"differing definitions", "defined twice", record(`{"name":"a","type":{"type":"fixed","name":"F","size":2}},{"name":"b","type":{"type":"fixed","name":"F","size":3}}`)},
		{"same Go name", "the same Go name", record(`{"name":"a","type":{"type":"fixed","name":"F","size":2}},{"name":"b","type":{"type":"fixed","name":"F","namespace":"y","size":2}}`)},
		{"bad default", "default", record(`{"name":"a","type":"int","default":"one"}`)},
		{"namespace of the contract", "belongs to package schemas", strings.Replace(record(``), `"x"`, `"posthorn"`, 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "r.avsc"), []byte(tt.schema), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := generate(config{pkg: "x", dir: dir})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one that contains %q", err, tt.want)
			}
		})
	}
	if _, err := generate(config{pkg: "x", dir: t.TempDir()}); err == nil {
		t.Error("a directory without schemas: no error")
	}
}

func TestGoName(t *testing.T) {
	for name, want := range map[string]string{
		"event_id": "EventID", "rfc_message_id": "RFCMessageID", "remote_ip": "RemoteIP", "client_os": "ClientOS",
		"occurred_precision_ms": "OccurredPrecisionMS", "mta_response": "MTAResponse", "crc32c": "CRC32C", "opens": "Opens",
	} {
		if got := goName(name); got != want {
			t.Errorf("goName(%q) = %q, want %q", name, got, want)
		}
	}
}

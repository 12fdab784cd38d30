package schemas_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro"
)

// Every version of a schema that was ever released lies in
// history/<name>/v<N>.avsc. Records of it may still be in a topic: whoever
// changes a schema adds a version, and every later one must read it.
func TestHistory(t *testing.T) {
	for name, fresh := range records {
		t.Run(name, func(t *testing.T) {
			current := readSchema(t, name+".avsc")
			var versions [][]byte
			for {
				file := filepath.Join("history", name, fmt.Sprintf("v%d.avsc", len(versions)+1))
				if _, err := os.Stat(file); err != nil {
					break
				}
				versions = append(versions, readSchema(t, file))
			}
			if entries, err := os.ReadDir(filepath.Join("history", name)); err != nil || len(entries) != len(versions) {
				t.Fatalf("%d files in history/%s, %v; want v1.avsc to v%d.avsc only", len(entries), name, err, len(versions))
			}
			if len(versions) == 0 || !bytes.Equal(versions[len(versions)-1], current) {
				t.Errorf("%s.avsc has changed: copy it to history/%s/v%d.avsc", name, name, len(versions)+1)
			}
			for i, writer := range versions {
				for j, reader := range versions[i:] {
					if err := compatible(writer, reader); err != nil {
						t.Errorf("version %d cannot read version %d: %v", i+j+1, i+1, err)
					}
				}
				if err := compatible(writer, current); err != nil {
					t.Errorf("%s.avsc cannot read version %d: %v", name, i+1, err)
				}
			}
			// The file stands alone, and the generated schema is the same.
			if _, err := goavro.NewCodec(string(current)); err != nil {
				t.Errorf("goavro refuses %s.avsc: %v", name, err)
			}
			if !sameJSON(t, current, []byte(fresh().AvroSchema())) {
				t.Errorf("AvroSchema differs from %s.avsc", name)
			}
		})
	}
	files, err := filepath.Glob("*.avsc")
	if err != nil || len(files) != len(records) {
		t.Errorf("%d .avsc files, %v; the tests know %d records", len(files), err, len(records))
	}
}

// readSchema reads a schema without its white space.
func readSchema(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return b.Bytes()
}

func compatible(writer, reader []byte) error {
	w, err := avro.Parse(string(writer))
	if err != nil {
		return err
	}
	r, err := avro.Parse(string(reader))
	if err != nil {
		return err
	}
	return avro.CheckCompatibility(w, r)
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	m, _ := json.Marshal(x)
	n, _ := json.Marshal(y)
	return bytes.Equal(m, n)
}

// The check itself: what BACKWARD_TRANSITIVE forbids, and what it allows.
func TestCompatible(t *testing.T) {
	event := readSchema(t, "event.avsc")
	for _, tt := range []struct {
		name, old, new string
		ok             bool
	}{
		{"a new symbol", `"unsuppressed"]`, `"unsuppressed","seen"]`, true},
		{"a wider number", `"name":"mapper_version","type":"int"`, `"name":"mapper_version","type":"long"`, true},
		{"a new field with a default", `{"name":"mapper_version"`, `{"name":"new","type":"string","default":""},{"name":"mapper_version"`, true},
		{"a new field without a default", `{"name":"mapper_version"`, `{"name":"new","type":"string"},{"name":"mapper_version"`, false},
		{"a renamed field", `"name":"provider_type"`, `"name":"provider_kind"`, false},
		{"another type", `"name":"provider_type","type":"string"`, `"name":"provider_type","type":"long"`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := bytes.Replace(event, []byte(tt.old), []byte(tt.new), 1)
			if bytes.Equal(changed, event) {
				t.Fatalf("nothing replaced")
			}
			if err := compatible(event, changed); (err == nil) != tt.ok {
				t.Errorf("compatible: %v, want %v", err, tt.ok)
			}
		})
	}
}

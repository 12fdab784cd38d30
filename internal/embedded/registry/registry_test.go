package registry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/posthorn/posthorn/internal/embedded/registry"
)

func start(t *testing.T, dir string) (*registry.Registry, *sr.Client) {
	t.Helper()
	r, err := registry.Start(registry.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	cl, err := sr.NewClient(sr.URLs(r.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return r, cl
}

func schema(field string) sr.Schema {
	return sr.Schema{Schema: fmt.Sprintf(`{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":%q,"type":["null","string"],"default":null}]}`, field)}
}

func register(t *testing.T, cl *sr.Client, subject string, s sr.Schema) int {
	t.Helper()
	got, err := cl.CreateSchema(context.Background(), subject, s)
	if err != nil {
		t.Fatal(err)
	}
	return got.ID
}

func TestIDsSurviveRestarts(t *testing.T) {
	dir := t.TempDir()
	type key struct{ subject, field string }
	ids := map[key]int{}
	for round := range 4 {
		r, cl := start(t, dir)
		// One subject more each round, the first schema shared by all.
		for _, k := range []key{{fmt.Sprint("s", round), "shared"}, {fmt.Sprint("s", round), fmt.Sprint("f", round)}} {
			ids[k] = register(t, cl, k.subject, schema(k.field))
		}
		for k, id := range ids {
			if got := register(t, cl, k.subject, schema(k.field)); got != id {
				t.Errorf("round %d: %v has id %d, had %d", round, k, got, id)
			}
			got, err := cl.SchemaByID(t.Context(), id)
			if err != nil || got.Schema != schema(k.field).Schema {
				t.Errorf("round %d: id %d is %s, %v", round, id, got.Schema, err)
			}
		}
		if round%2 == 0 {
			// As after a kill: nothing is closed, and a line was being written.
			f, err := os.OpenFile(filepath.Join(dir, "schemas.journal"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(f, `{"subject":"half`)
			f.Close()
			t.Cleanup(func() { r.Close() })
		} else if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if ids[key{"s0", "shared"}] != ids[key{"s3", "shared"}] {
		t.Error("the same schema has two ids")
	}
}

func TestCompatibilitySurvives(t *testing.T) {
	dir := t.TempDir()
	r, cl := start(t, dir)
	register(t, cl, "s", schema("f"))
	for _, res := range cl.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatBackwardTransitive}, "s") {
		if res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	r.Close()
	again, cl := start(t, dir)
	defer again.Close()
	if got := cl.Compatibility(t.Context(), "s")[0]; got.Err != nil || got.Level != sr.CompatBackwardTransitive {
		t.Errorf("level %v, %v", got.Level, got.Err)
	}
}

func TestNothingIsDeleted(t *testing.T) {
	r, cl := start(t, t.TempDir())
	defer r.Close()
	id := register(t, cl, "s", schema("f"))
	if _, err := cl.DeleteSubject(t.Context(), "s", sr.SoftDelete); err == nil {
		t.Error("a subject was deleted")
	}
	if _, err := cl.SchemaByID(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestDamagedJournalStopsTheStart(t *testing.T) {
	good := `{"subject":"s","version":1,"id":1,"schema":{"schema":"{\"type\":\"string\"}"}}` + "\n"
	for name, tt := range map[string]struct{ journal, want string }{
		"not JSON":        {good + "?\n" + good, "line 2"},
		"an id twice":     {good + strings.NewReplacer(`"s"`, `"t"`, "string", "long").Replace(good), "wrong schema"},
		"a version twice": {good + strings.Replace(good, `"id":1`, `"id":2`, 1), "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "schemas.journal"), []byte(tt.journal), 0o644); err != nil {
				t.Fatal(err)
			}
			if r, err := registry.Start(registry.Config{Dir: dir, Listen: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("start: %v", err)
				if err == nil {
					r.Close()
				}
			}
		})
	}
}

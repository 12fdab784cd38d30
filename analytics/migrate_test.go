package analytics

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
)

func TestMigrate(t *testing.T) {
	conn := opened(t, testDSN(t))
	if err := CheckMigrated(t.Context(), conn); !errors.Is(err, ErrPending) {
		t.Fatalf("an empty database gives %v", err)
	}
	// Two at once: there is no lock, and none is needed.
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := Migrate(t.Context(), conn); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := CheckMigrated(t.Context(), conn); err != nil {
		t.Error(err)
	}
	if again, err := Migrate(t.Context(), conn); err != nil || len(again) != 0 {
		t.Errorf("a second time: %v %v", again, err)
	}
	for _, table := range tables(1) {
		for _, name := range table.names {
			if n := number(t, conn, "SELECT count() FROM "+name); n != 0 {
				t.Errorf("%s holds %d rows", name, n)
			}
		}
	}
}

func TestMigrationsOfOtherBuildsAreRefused(t *testing.T) {
	for name, row := range map[string]string{
		"changed": "(1, 'x', 'other', now() + 10)",
		"newer":   "(999, 'x', 'sum', now())",
	} {
		t.Run(name, func(t *testing.T) {
			conn := migrated(t)
			if err := conn.Exec(t.Context(), "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES "+row); err != nil {
				t.Fatal(err)
			}
			if err := CheckMigrated(t.Context(), conn); err == nil || errors.Is(err, ErrPending) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReadMigrations(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, files := range map[string]fstest.MapFS{
		"no number": {"migrations/x.sql": file("")},
		"zero":      {"migrations/0000_x.sql": file("")},
		"twice":     {"migrations/0001_x.sql": file(""), "migrations/1_y.sql": file("")},
	} {
		if _, err := readMigrations(files); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	got := statements("-- a; comment;\nCREATE x\n(a Int8);\n\n-- b\nCREATE y;\n")
	if want := []string{"CREATE x\n(a Int8)", "CREATE y"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

package ruletest_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/posthorn/posthorn/internal/ruletest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func files(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	return list
}

// The examples, one file a kind, pass.
func TestExamples(t *testing.T) {
	var out bytes.Buffer
	if !ruletest.RunFiles(&out, files(t, "*.yaml"), ruletest.Options{}) {
		t.Error(out.String())
	}
}

func TestOutput(t *testing.T) {
	for _, c := range []struct {
		golden string
		files  []string
		o      ruletest.Options
		passed bool
	}{
		{"passing", []string{filepath.Join("testdata", "absence.yaml")}, ruletest.Options{Verbose: true}, true},
		{"picked", []string{filepath.Join("testdata", "absence.yaml"), filepath.Join("testdata", "rate.yaml")},
			ruletest.Options{Verbose: true, Run: regexp.MustCompile("^opened")}, true},
		{"differences", files(t, "failing/*.yaml"), ruletest.Options{}, false},
		{"mistakes", append(files(t, "broken/*.yaml"), filepath.Join("testdata", "none.yaml"), filepath.Join("testdata", "hours.yaml")), ruletest.Options{}, false},
	} {
		t.Run(c.golden, func(t *testing.T) {
			var out bytes.Buffer
			if passed := ruletest.RunFiles(&out, c.files, c.o); passed != c.passed {
				t.Errorf("passed: %t", passed)
			}
			got := filepath.ToSlash(out.String())
			golden := filepath.Join("testdata", c.golden+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	dir := t.TempDir()
	rules := "rules: [{name: r, immediate: {event: opened}}]\n"
	test := "rules: [../rules/*.yaml]\ntests: [{name: t, events: [{type: opened, at: 0}], expect: [{rule: r, at: +0s}]}]\n"
	for name, text := range map[string]string{"rules/r.yaml": rules, "tests/t.yaml": test} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if !ruletest.RunFiles(&out, []string{filepath.Join(dir, "tests", "t.yaml")}, ruletest.Options{}) {
		t.Error(out.String())
	}
}

// Whatever a file holds is either run or refused with its name.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "failing/*.yaml", "broken/*.yaml"} {
		list, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range list {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	path := filepath.Join(f.TempDir(), "fuzz.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ruletest.Load(path); err != nil && !strings.Contains(err.Error(), "fuzz.yaml") {
			t.Errorf("does not name the file: %v", err)
		}
	})
}

// As many as possible of those that are expected find what fits them, whatever
// the order.
func TestLooseExpectationsTakeNothingFromOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		expect := rapid.Permutation([]string{
			"{rule: r}", "{rule: r, recipient: a@example.org}", "{rule: r, recipient: a@example.org, at: +2h}", "{rule: r, status: fired}",
		}).Draw(t, "expect")
		text := `rules: [{name: r, immediate: {event: opened}, cooldown: 1h, once_per: message}]
tests:
  - name: t
    events:
      - {type: opened, at: +1h, recipient: a@example.org, message: m1}
      - {type: opened, at: +2h, recipient: a@example.org, message: m1}
      - {type: opened, at: +1h, recipient: b@example.org, message: m2}
      - {type: opened, at: +2h, recipient: b@example.org, message: m2}
    expect: [` + strings.Join(expect, ", ") + "]\n"
		dir, err := os.MkdirTemp("", "ruletest")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		path := filepath.Join(dir, "t.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if !ruletest.RunFiles(&out, []string{path}, ruletest.Options{}) {
			t.Fatal(out.String())
		}
	})
}

package ruletest

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Options say what is run and shown.
type Options struct {
	// Run picks tests by name; nil: all.
	Run *regexp.Regexp
	// Verbose shows tests that pass too.
	Verbose bool
}

// RunFiles runs the tests of files, writes what came of them as go test does, and
// tells whether all passed. An error of a file is written and counts as a failure
// of the file.
func RunFiles(w io.Writer, names []string, o Options) (passed bool) {
	passed = true
	for _, name := range names {
		f, err := Load(name)
		if err != nil {
			fmt.Fprintf(w, "%s\nFAIL\t%s\t[can't be read]\n", err, name)
			passed = false
			continue
		}
		passed = f.report(w, o) && passed
	}
	if !passed {
		fmt.Fprintln(w, "FAIL")
	}
	return passed
}

func (f *File) report(w io.Writer, o Options) (passed bool) {
	ran, failed := 0, 0
	for _, t := range f.Tests {
		if o.Run != nil && !o.Run.MatchString(t.Name) {
			continue
		}
		ran++
		res, err := f.Run(t)
		if err != nil {
			res = Result{Test: t, Problems: []string{err.Error()}}
		}
		switch {
		case len(res.Problems) > 0:
			failed++
			fmt.Fprintf(w, "--- FAIL: %s (%s:%d)\n", t.Name, f.Name, t.Line)
			for _, p := range res.Problems {
				fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(p, "\n", "\n    "))
			}
		case o.Verbose:
			fmt.Fprintf(w, "--- PASS: %s (%s:%d)\n", t.Name, f.Name, t.Line)
		}
	}
	switch {
	case failed > 0:
		fmt.Fprintf(w, "FAIL\t%s\t%d of %s failed\n", f.Name, failed, count(ran))
	case ran == 0:
		fmt.Fprintf(w, "ok  \t%s\t[no tests to run]\n", f.Name)
	default:
		fmt.Fprintf(w, "ok  \t%s\t%s\n", f.Name, count(ran))
	}
	return failed == 0
}

func count(n int) string {
	if n == 1 {
		return "1 test"
	}
	return fmt.Sprintf("%d tests", n)
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/processor/trigger"
)

type lintOptions struct{ strict, json bool }

func (a *app) rulesLintCommand() *cobra.Command {
	var o lintOptions
	lint := &cobra.Command{
		Use: "lint [FILE...]", Short: "Check rules and their conditions",
		Long: `Checks the files named, or those of the configuration: their form, their
conditions, that the endpoints they call are configured (of files that are named
only where the configuration has endpoints), and warns of what is valid and
probably not meant. Each finding says file, line, rule, field and what to do.

The exit code is 1 if there are errors, with --strict also if there are warnings.`,
		Example: `  posthorn rules lint rules/*.yaml
  posthorn rules lint --strict --json`,
		RunE: func(cmd *cobra.Command, files []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			endpoints := len(files) == 0 || len(cfg.Endpoints) > 0
			if len(files) > 0 {
				cfg.Rules = files
			}
			return a.lint(cfg, endpoints, o)
		},
	}
	config.AddFlags(lint.Flags(), "rules", "data")
	lint.Flags().BoolVar(&o.strict, "strict", false, "exit with 1 for warnings too")
	lint.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return lint
}

// finding is what is wrong with a rule, or probably not meant.
type finding struct {
	Severity string `json:"severity"` // error or warning
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Message  string `json:"message"`
}

func (a *app) lint(cfg *config.Config, endpoints bool, o lintOptions) error {
	set, err := trigger.Load(cfg.Rules...)
	if err == nil && endpoints {
		err = checkCalls(cfg, set)
	}
	found := []finding{} // JSON has a list without any
	for _, e := range flatten(err) {
		found = append(found, newFinding("error", e.Error()))
	}
	failed := err != nil
	for _, w := range trigger.Lint(set) {
		found = append(found, newFinding("warning", w.String()))
		failed = failed || o.strict
	}
	if o.json {
		if err := printFindings(a.out, set, found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintln(a.out, f)
		}
		for _, r := range set.Rules() {
			fmt.Fprintf(a.out, "%s: rule %s (%s, version %s)\n", r.Position, r.Name, r.Kind, r.Version)
		}
	}
	if failed {
		return errSilent
	}
	return nil
}

func printFindings(w io.Writer, set *trigger.Set, found []finding) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Rules    int       `json:"rules"`
		Findings []finding `json:"findings"`
	}{len(set.Rules()), found})
}

// place is how findings begin.
var place = regexp.MustCompile(`^(.+?):(\d+): `)

func newFinding(severity, text string) finding {
	f := finding{Severity: severity, Message: text}
	if at := place.FindStringSubmatch(text); at != nil {
		if line, err := strconv.Atoi(at[2]); err == nil {
			f.File, f.Line, f.Message = at[1], line, text[len(at[0]):]
		}
	}
	return f
}

func (f finding) String() string {
	text := f.Severity + ": " + f.Message
	if f.File != "" {
		text = fmt.Sprintf("%s:%d: %s", f.File, f.Line, text)
	}
	return text
}

// flatten lists the errors that were joined.
func flatten(err error) (list []error) {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		list = append(list, flatten(e)...)
	}
	return list
}

// loadRules reads the rules and checks them against the configured endpoints.
func loadRules(cfg *config.Config) (*trigger.Set, error) {
	set, err := trigger.Load(cfg.Rules...)
	if err != nil {
		return nil, err
	}
	return set, checkCalls(cfg, set)
}

// checkCalls finds rules that call an endpoint that is not configured.
func checkCalls(cfg *config.Config, set *trigger.Set) error {
	known := map[string]bool{"": true}
	for _, e := range cfg.Endpoints {
		known[e.Name] = true
	}
	var errs []error
	for _, r := range set.Rules() {
		if !known[r.Call] {
			errs = append(errs, fmt.Errorf("%s: rule %q: call: endpoint %q is not configured; add it to endpoints", r.Position, r.Name, r.Call))
		}
	}
	return errors.Join(errs...)
}

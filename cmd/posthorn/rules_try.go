package main

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/ruletest"
)

func (a *app) rulesTestCommand() *cobra.Command {
	var o ruletest.Options
	var run string
	cmd := &cobra.Command{
		Use: "test FILE...", Short: "Test rules: what fires, given what has happened", Args: cobra.MinimumNArgs(1),
		Long: `Runs the tests of YAML files on the stages that run live, in memory: no service
need be there, and nobody is called.

  rules: rules.yaml              # relative to this file; or the rules themselves
  start: 2026-03-02T09:00:00Z    # what times count from
  defaults: {campaign: spring}   # fields of every event
  tests:
    - name: an open within a day
      events:
        - {type: delivered, at: +0s}
        - {type: opened, at: +2h, arrived: +2h5m, recipient: anna@example.org}
      until: +3d                 # how far time goes on; without it, until nothing waits
      expect:                    # or none
        - {rule: discount-24h, at: +2h, status: fired, evidence: [1, 2]}

What is expected is compared in the fields it has; whatever else fires fails the
test. The exit code is 1 if any test fails.`,
		Example: `  posthorn rules test rules_test.yaml
  posthorn rules test -v --run discount tests/*.yaml`,
		RunE: func(_ *cobra.Command, files []string) error {
			if run != "" {
				var err error
				if o.Run, err = regexp.Compile(run); err != nil {
					return fmt.Errorf("--run: %w", err)
				}
			}
			if !ruletest.RunFiles(a.out, files, o) {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "show tests that pass too")
	cmd.Flags().StringVar(&run, "run", "", "only tests whose name matches this regular expression")
	return cmd
}

package main

import (
	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/internal/config"
)

// rulesCommand lists the rules, and has all that is done with them below it.
func (a *app) rulesCommand() *cobra.Command {
	list := a.rulesListCommand()
	cmd := &cobra.Command{
		Use: "rules", Short: "List trigger rules; check, test, pause and resume them", Args: cobra.NoArgs,
		Long: list.Long, Example: list.Example, RunE: list.RunE,
	}
	config.AddFlags(cmd.Flags(), "rules", "brokers", "data")
	cmd.AddCommand(list, a.rulesPauseCommand(), a.rulesResumeCommand(), a.rulesLintCommand(), a.rulesTestCommand(), a.rulesBacktestCommand())
	return cmd
}

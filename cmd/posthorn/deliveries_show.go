package main

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
)

func (a *app) deliveriesShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show all attempts for a trigger, with what was sent and answered", Args: cobra.ExactArgs(1),
		Long: `Shows every attempt for a trigger, the first one first: what was sent and what was
answered. Secrets are replaced by *** when an attempt is recorded, bodies that
are sent are kept up to 16 KiB, answers up to 1 KiB.`,
		Example: `  posthorn deliveries show 5f1c0b2e-5f1c-0b2e-5f1c-0b2e5f1c0b2e`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			var detail analytics.DeliveryDetail
			if err := ask(cmd.Context(), cfg, "/v1/deliveries/"+url.PathEscape(args[0]), nil, &detail); err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(detail)
			}
			printDelivery(a.out, &detail)
			return nil
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func printDelivery(w io.Writer, d *analytics.DeliveryDetail) {
	fmt.Fprintf(w, "Trigger %s of rule %s, to endpoint %s: %s\n", d.TriggerID, d.Rule, d.Endpoint, d.Status)
	for i := range d.Attempts {
		printAttempt(w, &d.Attempts[i])
	}
}

func printAttempt(w io.Writer, t *analytics.DeliveryAttempt) {
	fmt.Fprintf(w, "\nAttempt %s at %s, %s after %d ms\n",
		attemptText(int(t.Attempt), t.Manual), t.AttemptedAt.UTC().Format(time.RFC3339), statusText(t.Status, int(t.StatusCode)), t.DurationMS)
	if t.Error != "" {
		fmt.Fprintf(w, "  Error: %s\n", t.Error)
	}
	if t.NextAttemptAt != nil {
		fmt.Fprintf(w, "  Next attempt at %s\n", t.NextAttemptAt.UTC().Format(time.RFC3339))
	}
	if t.Request.Method != "" {
		fmt.Fprintf(w, "  > %s %s (%s)\n", t.Request.Method, t.URL, t.Action)
		printMessage(w, "  > ", t.Request.Headers, t.Request.Body)
	}
	if t.StatusCode != 0 {
		fmt.Fprintf(w, "  < %d\n", t.StatusCode)
		printMessage(w, "  < ", t.Response.Headers, t.Response.Body)
	}
}

// printMessage prints headers and a body as curl -v does. Control characters of an
// answer do not reach the terminal.
func printMessage(w io.Writer, prefix string, headers map[string]string, body string) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		fmt.Fprintf(w, "%s%s: %s\n", prefix, name, plain(headers[name]))
	}
	if body == "" {
		return
	}
	fmt.Fprintln(w, strings.TrimRight(prefix, " "))
	for line := range strings.Lines(body) {
		fmt.Fprintf(w, "%s%s\n", prefix, plain(strings.TrimRight(line, "\r\n")))
	}
}

// plain replaces control characters, which could change what a terminal shows.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '�'
		}
		return r
	}, text)
}

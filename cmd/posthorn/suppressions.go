package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/terminal"
)

func (a *app) suppressionsCommand() *cobra.Command {
	query := map[string]*string{}
	var limit int
	var asCSV, asJSON bool
	cmd := &cobra.Command{
		Use: "suppressions", Short: "Print who must not be mailed, and why; check and lift", Args: cobra.NoArgs,
		Long: `Asks the HTTP API for the addresses that hard bounces, complaints and
unsubscribes suppress. --csv prints all of them, as a program would read them.`,
		Example: `  posthorn suppressions --reason complaint
  posthorn suppressions --csv > suppressed.csv
  posthorn suppressions --active any --updated-after 2026-03-01T10:00:00Z --csv
  posthorn suppressions check anna@example.org
  posthorn suppressions unsuppress anna@example.org --reason "confirmed by phone"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asCSV && asJSON {
				return errors.New("--csv and --json exclude each other")
			}
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			values := url.Values{}
			for name, value := range query {
				if *value != "" {
					values.Set(name, *value)
				}
			}
			if !asCSV || cmd.Flags().Changed("limit") {
				values.Set("limit", strconv.Itoa(limit))
			}
			return a.printSuppressions(cmd.Context(), cfg, values, asCSV, asJSON)
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	f := cmd.Flags()
	for flag, usage := range map[string]string{
		"reason": "only these: hard_bounce, complaint or unsubscribe", "scope": "only these: all, or list:ID",
		"active": "true (those in force), false (those lifted) or any", "since": "in force since then or later, RFC 3339 or a day",
		"updated-after": "changed after then, RFC 3339 or a day", "after": "the next page, as a page said",
	} {
		name := flag
		if flag == "updated-after" {
			name = "updated_after"
		}
		query[name] = f.String(flag, "", usage)
	}
	f.IntVar(&limit, "limit", 100, "at most so many; with --csv there is no limit unless given")
	f.BoolVar(&asCSV, "csv", false, "print all as CSV")
	f.BoolVar(&asJSON, "json", false, "print the API's answer")
	cmd.AddCommand(a.suppressionCheckCommand(), a.unsuppressCommand())
	return cmd
}

func (a *app) printSuppressions(ctx context.Context, cfg *config.Config, values url.Values, asCSV, asJSON bool) error {
	if asCSV {
		values.Set("format", "csv")
		return callAPI(ctx, cfg, http.MethodGet, "/v1/suppressions?"+values.Encode(), nil, func(body io.Reader) error {
			_, err := io.Copy(a.out, body)
			return err
		})
	}
	var list analytics.SuppressionList
	if err := callAPI(ctx, cfg, http.MethodGet, "/v1/suppressions?"+values.Encode(), nil, decodeInto(&list)); err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(list)
	}
	return terminal.PrintSuppressions(a.out, list)
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func (a *app) suppressionCheckCommand() *cobra.Command {
	var list string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check ADDRESS", Short: "Tell whether an address may be mailed", Args: cobra.ExactArgs(1),
		Long: `Tells what is in force for an address. The exit code is 1 if it must not be
mailed: at all, or for the list that --list names.`,
		Example: `  posthorn suppressions check anna@example.org
  posthorn suppressions check anna@example.org --list 12345 --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			check, err := checkSuppression(cmd.Context(), cfg, args[0], list)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(check)
			} else {
				err = terminal.PrintSuppressionCheck(a.out, check)
			}
			if err == nil && check.Suppressed {
				return errSilent
			}
			return err
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	cmd.Flags().StringVar(&list, "list", "", "id of the list that is to be mailed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the API's answer")
	return cmd
}

// checkSuppression asks what is in force for an address, in a body: addresses
// are in nobody's log.
func checkSuppression(ctx context.Context, cfg *config.Config, address, list string) (check analytics.SuppressionCheck, err error) {
	body, err := json.Marshal(map[string]string{"address": address, "list": list})
	if err != nil {
		return check, fmt.Errorf("asking the API: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return check, callAPI(ctx, cfg, http.MethodPost, "/v1/suppressions/check", body, decodeInto(&check))
}

func decodeInto(answer any) func(io.Reader) error {
	return func(body io.Reader) error { return json.NewDecoder(io.LimitReader(body, 64<<20)).Decode(answer) }
}

// callAPI asks the HTTP API and hands the body of its answer to read.
func callAPI(ctx context.Context, cfg *config.Config, method, path string, body []byte, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+cfg.API.Listen+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the API: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking the API (is it running? --api names another address): %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return apiError(resp)
	}
	if err := read(resp.Body); err != nil {
		return fmt.Errorf("reading the API's answer: %w", err)
	}
	return nil
}

// apiError is what the API said instead of an answer.
func apiError(resp *http.Response) error {
	var problem analytics.Problem
	if decodeInto(&problem)(resp.Body) == nil && problem.Title != "" {
		return fmt.Errorf("the API answers %d: %w", resp.StatusCode, &problem)
	}
	return fmt.Errorf("the API answers %s", resp.Status)
}

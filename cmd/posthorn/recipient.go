package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/config"
	"github.com/posthorn/posthorn/internal/terminal"
	"github.com/posthorn/posthorn/schemas"
)

func (a *app) recipientCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "recipient", Short: "One recipient: id, timeline"}
	id := &cobra.Command{
		Use: "id ADDRESS...", Short: "Print the id of an address, for SQL", Args: cobra.MinimumNArgs(1),
		Example: `  posthorn recipient id anna@example.org`,
		RunE: func(cmd *cobra.Command, addresses []string) error {
			cfg, err := a.load(cmd, config.NeedRecipientSecret)
			if err != nil {
				return err
			}
			secret, err := cfg.RecipientSecret.Value()
			if err != nil {
				return fmt.Errorf("recipient_secret: %w", err)
			}
			for _, address := range addresses {
				fmt.Fprintln(a.out, schemas.RecipientID([]byte(secret), address))
			}
			return nil
		},
	}
	config.AddFlags(id.Flags(), "data")
	cmd.AddCommand(id, a.recipientShowCommand())
	return cmd
}

func (a *app) recipientShowCommand() *cobra.Command {
	var limit int
	var after string
	cmd := &cobra.Command{
		Use: "show ID|ADDRESS", Short: "Print what a recipient was sent and did", Args: cobra.ExactArgs(1),
		Long: `Asks the HTTP API for the timeline of one recipient, the latest events first. An
address is turned into its id by the API, which needs the recipient secret for that.`,
		Example: "  posthorn recipient show anna@example.org\n  posthorn recipient show 5d41402a-bc4b-2a76-b971-9d911017c592 --limit 200",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(cmd)
			if err != nil {
				return err
			}
			id := args[0]
			if strings.Contains(id, "@") {
				if id, err = lookUp(cmd.Context(), cfg, id); err != nil {
					return err
				}
			}
			values := url.Values{"limit": {strconv.Itoa(limit)}}
			if after != "" {
				values.Set("after", after)
			}
			var r analytics.Recipient
			if err := ask(cmd.Context(), cfg, "/v1/recipients/"+url.PathEscape(id), values, &r); err != nil {
				return err
			}
			return terminal.PrintRecipient(a.out, r)
		},
	}
	config.AddFlags(cmd.Flags(), "api", "data")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many events")
	cmd.Flags().StringVar(&after, "after", "", "go on behind a page")
	return cmd
}

// lookUp asks the HTTP API for the id of an address.
func lookUp(ctx context.Context, cfg *config.Config, address string) (string, error) {
	body, err := json.Marshal(map[string]string{"address": address})
	if err != nil {
		return "", fmt.Errorf("asking for the id: %w", err)
	}
	var found analytics.RecipientLookup
	if err := callAPI(ctx, cfg, http.MethodPost, "/v1/recipients/lookup", body, decodeInto(&found)); err != nil {
		return "", err
	}
	return found.ID.String(), nil
}

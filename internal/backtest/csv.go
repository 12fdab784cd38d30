package backtest

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/posthorn/posthorn/schemas"
)

// CSV lists what would have fired, and for whom. Rows stand in no order of time.
type CSV struct{ w *csv.Writer }

var csvHead = []string{"rule", "status", "state", "occurred_at", "arrived_at", "not_before", "recipient", "recipient_id",
	"campaign_id", "campaign_name", "message_id", "occurrence", "evidence", "hits", "base", "trigger_id"}

// NewCSV writes the head.
func NewCSV(w io.Writer) (*CSV, error) {
	c := &CSV{csv.NewWriter(w)}
	if err := c.w.Write(csvHead); err != nil {
		return nil, fmt.Errorf("writing CSV: %w", err)
	}
	return c, nil
}

// Add writes a row.
func (c *CSV) Add(t *schemas.Trigger) error {
	var evidence []string
	for _, e := range t.Evidence {
		evidence = append(evidence, e.EventID.String())
	}
	recipientID := ""
	if t.RecipientID != (schemas.ID{}) {
		recipientID = t.RecipientID.String()
	}
	err := c.w.Write([]string{
		t.Rule, t.Status.String(), t.State, t.OccurredAt.String(), t.ArrivedAt.String(), t.NotBefore.String(),
		cell(t.Recipient), recipientID, cell(t.CampaignID), cell(t.CampaignName), cell(t.MessageID), t.Occurrence,
		strings.Join(evidence, " "), strconv.FormatInt(t.Hits, 10), strconv.FormatInt(t.Base, 10), t.TriggerID.String(),
	})
	if err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// cell keeps what others have sent from being taken for a formula by a
// spreadsheet.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Flush writes what is left.
func (c *CSV) Flush() error {
	c.w.Flush()
	if err := c.w.Error(); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

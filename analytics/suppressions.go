package analytics

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// SuppressionList is a page of suppressions, in the order of recipients' ids.
type SuppressionList struct {
	Suppressions []Suppression `json:"suppressions"`
	// Next is the value of after for the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// Suppression tells that an address must not be mailed, and why; or that it may
// be again.
type Suppression struct {
	Address     string    `json:"address"`
	RecipientID uuid.UUID `json:"recipient_id"`
	// Scope is all, or list:ID.
	Scope string `json:"scope"`
	// Reason is complaint, hard_bounce or unsubscribe.
	Reason string `json:"reason"`
	Active bool   `json:"active"`
	// Since is the event time of the event that it rests on.
	Since      time.Time  `json:"since"`
	EventID    uuid.UUID  `json:"event_id"`
	Account    string     `json:"account"`
	CampaignID string     `json:"campaign_id"`
	LiftedAt   *time.Time `json:"lifted_at"`
	// UpdatedAt is the arrival of what changed it last.
	UpdatedAt time.Time `json:"updated_at"`
}

// suppressionPage is where a page of suppressions ends.
type suppressionPage struct {
	RecipientID uuid.UUID `json:"r"`
	Scope       string    `json:"s"`
}

var suppressionParams = []string{"reason", "scope", "active", "since", "updated_after", "limit", "after"}

// suppressionFilter reads what both forms of the list have.
func (a *API) suppressionFilter(r *http.Request) (f filter, err error) {
	if err := knownParams(r, suppressionParams...); err != nil {
		return f, err
	}
	f.add("tenant = ?", a.cfg.Tenant)
	reason, err := oneOf(r, "reason", "", "hard_bounce", "complaint", "unsubscribe")
	if err != nil {
		return f, err
	}
	if reason != "" {
		f.add("reason = ?", reason)
	}
	switch scope := r.URL.Query().Get("scope"); {
	case scope == "all", strings.HasPrefix(scope, "list:") && scope != "list:":
		f.add("scope = ?", scope)
	case scope != "":
		return f, badParam("scope", "want all, or list: and the id of a list, as list:12345")
	}
	active, err := oneOf(r, "active", "true", "false", "any")
	if err != nil {
		return f, err
	}
	if active != "any" {
		f.add("active = ?", active == "true")
	}
	since, err := timeOf(r, "since", time.UTC)
	if err != nil {
		return f, err
	}
	f.since(since, "since")
	updated, err := timeOf(r, "updated_after", time.UTC)
	if err != nil {
		return f, err
	}
	if !updated.IsZero() {
		f.add("updated_at > fromUnixTimestamp64Micro(toInt64(?))", updated.UnixMicro())
	}
	var page suppressionPage
	given, err := pageOf(r, &page)
	if given {
		f.add("(recipient_id, scope) > (?, ?)", page.RecipientID, page.Scope)
	}
	return f, err
}

const suppressionColumns = "recipient, recipient_id, scope, reason, active, since, event_id, account, campaign_id, lifted_at, updated_at"

// eachSuppression calls each for the suppressions of a filter, in order. limit 0 is
// none.
func (a *API) eachSuppression(ctx context.Context, f filter, limit int, each func(*Suppression) error) error {
	query := "SELECT " + suppressionColumns + " FROM suppressions FINAL WHERE " + f.String() + " ORDER BY recipient_id, scope"
	if limit > 0 {
		query += fmt.Sprint(" LIMIT ", limit)
	}
	return a.each(ctx, "suppressions", query, f.args, func(rows driver.Rows) error {
		var s Suppression
		if err := s.scan(rows); err != nil {
			return err
		}
		return each(&s)
	})
}

func (s *Suppression) scan(rows driver.Rows) error {
	return rows.Scan(&s.Address, &s.RecipientID, &s.Scope, &s.Reason, &s.Active, &s.Since, &s.EventID, &s.Account, &s.CampaignID, &s.LiftedAt, &s.UpdatedAt)
}

// suppressions answers with a page as JSON.
func (a *API) suppressions(ctx context.Context, r *http.Request) (SuppressionList, error) {
	list := SuppressionList{Suppressions: []Suppression{}}
	f, err := a.suppressionFilter(r)
	if err != nil {
		return list, err
	}
	limit, err := limitOf(r, 100, 10_000)
	if err != nil {
		return list, err
	}
	err = a.eachSuppression(ctx, f, limit+1, func(s *Suppression) error {
		list.Suppressions = append(list.Suppressions, *s)
		return nil
	})
	if len(list.Suppressions) > limit {
		list.Suppressions = list.Suppressions[:limit]
		last := list.Suppressions[limit-1]
		list.Next = pageKey(suppressionPage{last.RecipientID, last.Scope})
	}
	return list, err
}

package analytics

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// MailboxProviderList is a page of domains and who serves their mailboxes, in the
// order of domains.
type MailboxProviderList struct {
	Domains []MailboxProvider `json:"domains"`
	// Next is the value of after for the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// MailboxProvider tells who serves the mailboxes of a domain.
type MailboxProvider struct {
	Domain string `json:"domain"`
	// Provider is other where the domain's mail exchangers are those of none that
	// is known, and empty where it has none or they could not be told.
	Provider string `json:"provider"`
	// ToldBy is table, of what Posthorn brings, or mx.
	ToldBy string `json:"told_by"`
	// LookedUpAt is when the mail exchangers were asked for, or when the table was
	// last revised.
	LookedUpAt time.Time `json:"looked_up_at"`
}

// mailboxProviders answers with what is known of domains.
func (a *API) mailboxProviders(ctx context.Context, r *http.Request) (MailboxProviderList, error) {
	list := MailboxProviderList{Domains: []MailboxProvider{}}
	if err := knownParams(r, "domain", "provider", "told_by", "limit", "after"); err != nil {
		return list, err
	}
	limit, err := limitOf(r, 100, 10_000)
	if err != nil {
		return list, err
	}
	toldBy, err := oneOf(r, "told_by", "", "table", "mx")
	if err != nil {
		return list, err
	}
	var inForce, domains filter
	inForce.text(r, "provider", "provider")
	if toldBy != "" {
		inForce.add("told_by = ?", toldBy)
	}
	domains.text(r, "domain", "domain")
	var last string
	if given, err := pageOf(r, &last); err != nil {
		return list, err
	} else if given {
		domains.add("domain > ?", last)
	}
	inForce.add("1")
	domains.add("1")
	query := `SELECT domain, known.1 AS provider, known.2 AS told_by, known.3 FROM (
SELECT domain, argMax((provider, told_by, looked_up_at), (told_by = 'table', looked_up_at)) AS known FROM mailbox_providers WHERE ` + domains.String() + ` GROUP BY domain
) WHERE ` + inForce.String() + fmt.Sprint(" ORDER BY domain LIMIT ", limit+1)
	err = a.each(ctx, "mailbox providers", query, append(domains.args, inForce.args...), func(rows driver.Rows) error {
		var p MailboxProvider
		err := rows.Scan(&p.Domain, &p.Provider, &p.ToldBy, &p.LookedUpAt)
		list.Domains = append(list.Domains, p)
		return err
	})
	if len(list.Domains) > limit {
		list.Domains = list.Domains[:limit]
		list.Next = pageKey(list.Domains[limit-1].Domain)
	}
	return list, err
}

func (l *MailboxProviderList) sheet() sheet {
	s := sheet{name: "mailbox-providers", next: l.Next, columns: []sheetColumn{{"domain", columnText}, {"provider", columnText}, {"told_by", columnText}, {"looked_up_at", columnTime}}}
	for _, p := range l.Domains {
		s.rows = append(s.rows, []any{p.Domain, p.Provider, p.ToldBy, p.LookedUpAt})
	}
	return s
}

package analytics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// SuppressionCheck tells what is in force for an address.
type SuppressionCheck struct {
	Address string `json:"address"`
	// Suppressed: it must not be mailed, at all or for the list asked about.
	Suppressed bool `json:"suppressed"`
	// Suppressions are those in force, of all scopes.
	Suppressions []Suppression `json:"suppressions"`
}

// SuppressionChecks are the answers for several addresses, in their order.
type SuppressionChecks struct {
	Results []SuppressionCheck `json:"results"`
}

const (
	// maxChecked is how many addresses one request may ask about.
	maxChecked = 1000
	// maxCheckBody fits as many addresses of the greatest length, 254 bytes.
	maxCheckBody = 512 << 10
)

// checkSuppression serves GET ?address=&list=.
func (a *API) checkSuppression(ctx context.Context, r *http.Request) (SuppressionCheck, error) {
	if err := knownParams(r, "address", "list"); err != nil {
		return SuppressionCheck{}, err
	}
	address := r.URL.Query().Get("address")
	if strings.TrimSpace(address) == "" {
		return SuppressionCheck{}, badParam("address", "want an e-mail address; in a POST it stays out of logs")
	}
	results, err := a.check(ctx, []string{address}, r.URL.Query().Get("list"))
	if err != nil {
		return SuppressionCheck{}, err
	}
	return results[0], nil
}

// checkRequest is the body of a POST.
type checkRequest struct {
	Address   string   `json:"address"`
	Addresses []string `json:"addresses"`
	List      string   `json:"list"`
}

// checkSuppressions serves POST {"address": ...} or {"addresses": [...]}.
func (a *API) checkSuppressions(ctx context.Context, r *http.Request) (any, error) {
	if err := knownParams(r); err != nil {
		return nil, err
	}
	var body checkRequest
	dec := json.NewDecoder(io.LimitReader(r.Body, maxCheckBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil {
		return nil, badBody(fmt.Sprintf(`want {"address": "ann@example.org"} or {"addresses": [...]}, with "list" where one list is meant, below %d bytes: %v`, maxCheckBody, err))
	}
	switch n := len(body.Addresses); {
	case (body.Address == "") == (n == 0):
		return nil, badBody("want either address or addresses")
	case n > maxChecked:
		return nil, badBody(fmt.Sprintf("addresses: want at most %d, these are %d", maxChecked, n))
	case n > 0:
		results, err := a.check(ctx, body.Addresses, body.List)
		return SuppressionChecks{results}, err
	}
	results, err := a.check(ctx, []string{body.Address}, body.List)
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

func badBody(detail string) error {
	return &Problem{Title: "Bad body", Status: http.StatusBadRequest, Detail: detail}
}

// check answers for addresses, in any letter case. Their ids would need the
// tenant's secret, which this service need not have: the index of addresses leads
// to the ids, and those to what is known last of each.
func (a *API) check(ctx context.Context, addresses []string, list string) ([]SuppressionCheck, error) {
	results := make([]SuppressionCheck, len(addresses))
	byAddress := map[string][]int{}
	var known []string
	for i, address := range addresses {
		results[i] = SuppressionCheck{Address: address, Suppressions: []Suppression{}}
		normal := strings.ToLower(strings.TrimSpace(address))
		if byAddress[normal] == nil {
			known = append(known, normal)
		}
		byAddress[normal] = append(byAddress[normal], i)
	}
	var f filter
	f.add("tenant = ?", a.cfg.Tenant)
	f.add("recipient_id IN (SELECT recipient_id FROM suppressions WHERE tenant = ? AND recipient IN (?))", a.cfg.Tenant, known)
	f.add("active")
	err := a.eachSuppression(ctx, f, 0, func(s *Suppression) error {
		at, ok := byAddress[s.Address]
		if !ok {
			return errors.New("a recipient has two addresses")
		}
		for _, i := range at {
			results[i].Suppressions = append(results[i].Suppressions, *s)
			if s.Scope == "all" || list != "" && s.Scope == "list:"+list {
				results[i].Suppressed = true
			}
		}
		return nil
	})
	return results, err
}

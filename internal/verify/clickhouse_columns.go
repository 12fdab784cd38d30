package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/posthorn/posthorn/schemas"
)

// appendedColumns are sums over the rows of tables that are only added to, which
// must be those of the records.
var appendedColumns = map[string][]string{
	schemas.TopicTriggers: {
		"hits", "base", "isNotNull(not_before)", "isNotNull(window_start)", "isNotNull(window_end)", "state != ''", "length(occurrence)",
	},
	schemas.TopicDeliveries: {
		"manual", "length(action)", "length(request_body)", "length(response_headers)", "length(campaign_id)",
	},
}

func triggerValues(t *schemas.Trigger) []int64 {
	return []int64{
		t.Hits, t.Base, one(t.NotBefore != 0), one(t.WindowStart != 0), one(t.WindowEnd != 0), one(t.State != ""), int64(len(t.Occurrence)),
	}
}

func deliveryValues(d *schemas.Delivery) []int64 {
	return []int64{
		one(d.Manual), int64(len(d.Action)), int64(len(d.RequestBody)), int64(len(d.ResponseHeaders)), int64(len(d.CampaignID)),
	}
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

func (x *extent) sum(values []int64) {
	if x.sums == nil {
		x.sums = make([]int64, len(values))
	}
	for i, n := range values {
		x.sums[i] += n
	}
}

func (x *extent) sumOf(column int) int64 {
	if x.sums == nil {
		return 0 // no records
	}
	return x.sums[column]
}

// suppressionTableKey tells sums over suppressions apart.
type suppressionTableKey struct {
	tenant, reason string
	active, list   bool
}

// suppressionSums are sums over the last records of suppressions. Times are
// reduced so that their sum has room.
type suppressionSums struct{ rows, revisions, since, lifted int64 }

const suppressionModulus = 1_000_000_007

func (v *verifier) sumSuppression(s *schemas.Suppression) {
	k := suppressionTableKey{s.Tenant, s.Reason.String(), s.Active, s.Scope != scopeAll}
	sums := v.suppressed[k]
	if sums == nil {
		sums = &suppressionSums{}
		v.suppressed[k] = sums
	}
	sums.rows++
	sums.revisions += s.Revision
	sums.since += int64(s.Since) % suppressionModulus
	sums.lifted += int64(s.LiftedAt) % suppressionModulus
}

func (v *verifier) compareSuppressionTable(ctx context.Context, check *Check) (err error) {
	rows, err := v.cfg.ClickHouse.Query(ctx, fmt.Sprintf(`SELECT tenant, reason, active, scope != '%s' AS list, toInt64(count()), toInt64(sum(revision)),
		toInt64(sum(toUnixTimestamp64Micro(since) %% %d)), toInt64(sum(ifNull(toUnixTimestamp64Micro(lifted_at), 0) %% %d))
		FROM %s FINAL GROUP BY tenant, reason, active, list`, scopeAll, suppressionModulus, suppressionModulus, v.cfg.Table("suppressions")))
	if err != nil {
		return fmt.Errorf("summing suppressions in ClickHouse: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found := map[suppressionTableKey]suppressionSums{}
	for rows.Next() {
		var k suppressionTableKey
		var s suppressionSums
		var list uint8
		if err := rows.Scan(&k.tenant, &k.reason, &k.active, &list, &s.rows, &s.revisions, &s.since, &s.lifted); err != nil {
			return fmt.Errorf("summing suppressions in ClickHouse: %w", err)
		}
		k.list = list != 0
		found[k] = s
		check.Found += s.rows
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("summing suppressions in ClickHouse: %w", err)
	}
	for k, want := range v.suppressed {
		check.Expected += want.rows
		if got := found[k]; got != *want {
			v.report.differ(check, "%+v: sums %+v, the topic gives %+v", k, got, *want)
		}
		delete(found, k)
	}
	for k, got := range found {
		v.report.differ(check, "%+v: sums %+v, the topic has none", k, got)
	}
	return nil
}

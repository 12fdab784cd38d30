package mailbox

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Install writes the table of domains into mailbox_providers, unless it is there
// or one that was revised later is. Rows of an earlier one go; what was looked up
// stays, but for domains that the table has. It may be repeated, and be done by
// several at once.
func Install(ctx context.Context, conn driver.Conn) (changed bool, err error) {
	return domains.install(ctx, conn)
}

func (t *table) install(ctx context.Context, conn driver.Conn) (bool, error) {
	// The deletions are waited for, and rows must not sit in a buffer meanwhile.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"mutations_sync": 1, "async_insert": 0}))
	revised := t.revised.Unix()
	var newest int64
	var here, looked, old uint64
	err := conn.QueryRow(ctx, `SELECT toInt64(toUnixTimestamp(maxIf(looked_up_at, told_by = 'table'))),
uniqExactIf(domain, told_by = 'table' AND toUnixTimestamp(looked_up_at) = ?), countIf(told_by = 'mx' AND domain IN (?)), countIf(told_by = 'table' AND toUnixTimestamp(looked_up_at) < ?)
FROM mailbox_providers`, revised, t.names, revised).Scan(&newest, &here, &looked, &old)
	switch {
	case err != nil:
		return false, fmt.Errorf("reading mailbox providers: %w", err)
	case newest > revised:
		return false, nil
	}
	// What was looked up later would replace what the table says when rows are merged.
	if looked > 0 {
		if err := conn.Exec(ctx, `ALTER TABLE mailbox_providers DELETE WHERE told_by = 'mx' AND domain IN (?)`, t.names); err != nil {
			return false, fmt.Errorf("deleting what was looked up of the table's domains: %w", err)
		}
	}
	if int(here) < len(t.names) {
		if err := t.insert(ctx, conn); err != nil {
			return false, err
		}
	}
	if old > 0 {
		if err := conn.Exec(ctx, `ALTER TABLE mailbox_providers DELETE WHERE told_by = 'table' AND toUnixTimestamp(looked_up_at) < ?`, revised); err != nil {
			return false, fmt.Errorf("deleting the earlier table: %w", err)
		}
	}
	return int(here) < len(t.names) || looked > 0 || old > 0, nil
}

func (t *table) insert(ctx context.Context, conn driver.Conn) error {
	batch, err := conn.PrepareBatch(ctx, `INSERT INTO mailbox_providers (domain, provider, told_by, looked_up_at)`)
	if err != nil {
		return fmt.Errorf("writing mailbox providers: %w", err)
	}
	defer func() { _ = batch.Abort() }() // It was sent.
	for _, domain := range t.names {
		if err := batch.Append(domain, t.providers[domain], "table", t.revised); err != nil {
			return fmt.Errorf("writing mailbox providers: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("writing mailbox providers: %w", err)
	}
	return nil
}

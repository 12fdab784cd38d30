package analytics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Open connects to ClickHouse on a single node; see Layout.Open.
func Open(ctx context.Context, dsn string) (driver.Conn, error) { return Layout{}.Open(ctx, dsn) }

// Open connects to ClickHouse by DSN (clickhouse://, http:// or https://) and
// waits until it answers or ctx ends.
func (l Layout) Open(ctx context.Context, dsn string) (driver.Conn, error) {
	opt, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("parsing ClickHouse DSN: %w", err)
	}
	configure(opt)
	if l.Cluster != "" {
		// A query within a query is asked once for all shards.
		if opt.Settings == nil {
			opt.Settings = clickhouse.Settings{}
		}
		opt.Settings["distributed_product_mode"] = "global"
	}
	conn, err := clickhouse.Open(opt)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse: %w", err)
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		if err = conn.Ping(ctx); err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for ClickHouse: %w", err), conn.Close())
		case <-time.After(wait):
		}
	}
}

// configure sets what the DSN leaves open.
func configure(opt *clickhouse.Options) {
	// A lane and table holds a connection during its insert; queries of the API
	// must not wait behind all of them.
	opt.MaxOpenConns = max(opt.MaxOpenConns, 24)
	opt.MaxIdleConns = max(opt.MaxIdleConns, 12)
	if opt.DialTimeout == 0 {
		opt.DialTimeout = 5 * time.Second
	}
	if opt.ReadTimeout == 0 {
		opt.ReadTimeout = time.Minute
	}
}

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// transactionTimeout bounds how long a backlog may stay hidden; brokers allow no
// more.
const transactionTimeout = 15 * time.Minute

// producing writes records and remembers the first failure.
type producing struct {
	client *kgo.Client
	failed atomic.Pointer[error]
}

func (p *producing) produce(ctx context.Context, records []*kgo.Record) error {
	for _, rec := range records {
		p.client.Produce(ctx, rec, func(_ *kgo.Record, err error) {
			if err != nil {
				p.failed.CompareAndSwap(nil, &err)
			}
		})
	}
	return p.err()
}

func (p *producing) err() error {
	if err := p.failed.Load(); err != nil {
		return fmt.Errorf("producing: %w", *err)
	}
	return nil
}

func (p *producing) flush(ctx context.Context) error {
	if err := p.client.Flush(ctx); err != nil {
		return fmt.Errorf("producing: %w", err)
	}
	return p.err()
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestActorsStopInOrderWhenOneFails(t *testing.T) {
	a := newActors(t.Context(), slog.New(slog.DiscardHandler))
	var ended []string // each is waited for before the next: no lock needed
	for _, name := range []string{"gateway", "stage"} {
		a.add(name, func(ctx context.Context) error {
			<-ctx.Done()
			ended = append(ended, name)
			return ctx.Err()
		})
	}
	a.add("sink", func(context.Context) error { return errors.New("broken") })
	a.atEnd("kafka", func() error { ended = append(ended, "kafka"); return nil })
	err := a.run()
	if err == nil || err.Error() != "sink: broken" || !slices.Equal(ended, []string{"gateway", "stage", "kafka"}) {
		t.Errorf("%v, %v", err, ended)
	}
}

func TestActorsStopWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := newActors(ctx, slog.New(slog.DiscardHandler))
	a.add("gateway", func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() })
	if err := a.run(); err != nil {
		t.Error(err)
	}
}

func TestCleanUpsRunLastFirst(t *testing.T) {
	var c cleanUps
	var order []string
	for _, name := range []string{"kafka", "registry", "clickhouse"} {
		c.add(name, func() error { order = append(order, name); return errors.New("no") })
	}
	err := c.run()
	if !slices.Equal(order, []string{"clickhouse", "registry", "kafka"}) || err == nil || !strings.Contains(err.Error(), "stopping kafka: no") {
		t.Errorf("%v, %v", order, err)
	}
}

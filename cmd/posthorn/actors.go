package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/oklog/run"
)

// actors run together: when one ends, or ctx does, they are stopped one after
// the other in the order they were added, each waited for before the next.
type actors struct {
	group run.Group
	log   *slog.Logger
}

// newActors begins the list with an actor that ends with ctx.
func newActors(ctx context.Context, log *slog.Logger) *actors {
	a := &actors{log: log}
	a.add("signal", func(own context.Context) error {
		select {
		case <-ctx.Done():
			log.Info("stopping; a second signal kills")
		case <-own.Done():
		}
		return nil
	})
	return a
}

// actorsUntil begins a list that ends with ctx, as a part of another.
func actorsUntil(ctx context.Context, log *slog.Logger) *actors {
	a := &actors{log: log}
	a.add("end", func(own context.Context) error {
		select {
		case <-ctx.Done():
		case <-own.Done():
		}
		return nil
	})
	return a
}

// add adds an actor. work must end soon after its context does.
func (a *actors) add(name string, work func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	a.group.Add(func() error {
		defer close(done)
		if err := work(ctx); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}, func(error) {
		cancel()
		<-done
		a.log.Debug("stopped", "actor", name)
	})
}

// atEnd adds an actor that only cleans up, in its place of the order.
func (a *actors) atEnd(name string, cleanUp func() error) {
	a.add(name, func(ctx context.Context) error {
		<-ctx.Done()
		return cleanUp()
	})
}

func (a *actors) run() error { return a.group.Run() }

// serveHTTP serves until ctx ends, and then finishes what is in flight.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := server.Shutdown(last)
	<-served
	if err != nil {
		return errors.Join(fmt.Errorf("finishing requests at %s: %w", listener.Addr(), err), server.Close())
	}
	return nil
}

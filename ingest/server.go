package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxHeaderBytes bounds a request's headers and with them a record's envelope.
const maxHeaderBytes = 32 << 10

// Run serves the gateway on its address until ctx ends, and then drains: it
// reports to be unready, stops accepting, finishes the requests in flight,
// waits until spool and producer are empty, and returns nil. What is not finished
// after the drain timeout is an error.
func (g *Gateway) Run(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", g.cfg.Listen)
	if err != nil {
		return fmt.Errorf("gateway: listening: %w", err)
	}
	return g.Serve(ctx, listener)
}

// Serve is Run on a listener, which it closes.
func (g *Gateway) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: g,
		// A caller that sends slowly holds a connection and a part of the
		// budget; these bound for how long.
		ReadHeaderTimeout: min(5*time.Second, g.cfg.ReadTimeout),
		ReadTimeout:       g.cfg.ReadTimeout,
		// From the end of the headers: reading the body, waiting for Kafka and
		// writing a short answer.
		WriteTimeout:   g.cfg.ReadTimeout + g.cfg.AckTimeout + 5*time.Second,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(g.cfg.Logger.Handler(), slog.LevelDebug),
	}
	watching, stopWatching := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { g.kafka.watch(watching) })
	defer wg.Wait()
	defer stopWatching()
	// Not ctx: draining goes on while requests are finished.
	spooling, stopSpooling := context.WithCancel(context.Background())
	defer stopSpooling()
	if g.spool != nil {
		wg.Go(func() { g.drainSpool(spooling) })
	}
	leave := g.announce()

	listener = lazily(server, (&connections{limit: g.cfg.MaxConnections}).bind(server, listener))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		_ = leave(false)
		return fmt.Errorf("gateway: serving: %w", err)
	case <-ctx.Done():
	}
	err := g.drain(server)
	<-served
	return errors.Join(err, leave(err == nil))
}

// announce has what waits in the spool hold the arrival frontier, until the function
// that it returns is called: then, if all has ended well, the gateway leaves.
func (g *Gateway) announce() (leave func(well bool) error) {
	if g.spool == nil || g.cfg.Hold == nil {
		return func(bool) error { return nil }
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); g.cfg.Hold.Run(ctx) }()
	return func(well bool) error {
		stop()
		<-done
		if !well || g.kafka.failing() {
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), g.cfg.AckTimeout)
		defer cancel()
		return g.cfg.Hold.Leave(ctx)
	}
}

func (g *Gateway) drain(server *http.Server) error {
	g.kafka.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.DrainDelay+g.cfg.DrainTimeout)
	defer cancel()
	if g.cfg.DrainDelay > 0 {
		server.SetKeepAlivesEnabled(false)
		<-time.After(g.cfg.DrainDelay)
	}
	var errs []error
	if err := server.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("gateway: finishing requests: %w", err), server.Close())
	}
	if g.spool != nil {
		g.emptySpool(ctx)
		if left := g.spool.Stats().Records; left > 0 {
			g.cfg.Logger.Info("webhooks stay in the spool until the next start", "webhooks", left)
		}
		if g.kafka.failing() || ctx.Err() != nil {
			// What the producer still has is in the spool too, or was refused.
			return errors.Join(errs...)
		}
	}
	if err := g.cfg.Producer.Flush(ctx); err != nil {
		errs = append(errs, fmt.Errorf("gateway: flushing the producer: %w", err))
	}
	return errors.Join(errs...)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/posthorn/posthorn/analytics"
	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/schemas"
)

// served is how a served directory is reached.
type served struct {
	API string // the HTTP API; /bench/sink and /debug/pprof beside it
	DSN string // of the engine
}

// cachesOff has every query read what it needs anew: no answer and no selection
// of granules is kept from the one before. The files stay in the page cache, and
// the marks in the engine's own.
const cachesOff = "use_query_cache=0&use_query_condition_cache=0"

// serve runs what an all-in-one has of analytics in one process: the engine, the
// sink, where there are brokers, and the API.
func serve(ctx context.Context, j job) error {
	e, err := openEngine(ctx, j.Dir)
	if err != nil {
		return err
	}
	defer e.close()
	dsn := e.DSN() + "?" + cachesOff
	conn, err := analytics.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close()
	group, ctx := errgroup.WithContext(ctx)
	mux := http.NewServeMux()
	if len(j.Brokers) > 0 {
		registry := prometheus.NewRegistry()
		sink, err := analytics.NewSink(analytics.SinkConfig{
			Kafka: kafka.Config{Brokers: j.Brokers}, Serde: serde, Conn: e.conn, Logger: warnings(), Registerer: registry,
		})
		if err != nil {
			return err
		}
		group.Go(func() error { return sink.Run(ctx) })
		mux.HandleFunc("/bench/sink", func(w http.ResponseWriter, _ *http.Request) { writeSink(w, sink, registry) })
	}
	api := analytics.NewAPI(analytics.APIConfig{
		Conn: conn, Logger: warnings(),
		Rules: func() []analytics.Rule { return nil },
	})
	mux.Handle("/", api)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux}
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		api.Close()
		return server.Close()
	})
	if err := say(served{API: "http://" + listener.Addr().String(), DSN: dsn}); err != nil {
		return err
	}
	return group.Wait()
}

// sinkState is how the sink of a served directory gets on.
type sinkState struct {
	Owned int              // lanes
	Lanes int              // all
	Rows  map[string]int64 // inserted, by table
	Bad   int64            // dead letters and failures
}

func writeSink(w http.ResponseWriter, sink *analytics.Sink, registry *prometheus.Registry) {
	s := sinkState{Rows: map[string]int64{}}
	for _, l := range sink.Status().Lanes {
		s.Lanes++
		if l.Owned {
			s.Owned++
		}
	}
	families, err := registry.Gather()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch name := f.GetName(); {
			case name == "posthorn_sink_rows_total":
				s.Rows[m.GetLabel()[0].GetValue()] = int64(m.GetCounter().GetValue())
			case strings.HasSuffix(name, "_failed_total"), strings.HasSuffix(name, "_dead_letters_total"):
				s.Bad += int64(m.GetCounter().GetValue())
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s) // the parent has gone
}

// serveBroker runs the embedded Kafka.
func serveBroker(ctx context.Context, j job) error {
	b, err := startEmbedded(ctx, j.Dir)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := say(b.Addrs()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// sinkTopics are the topics that the measured sink reads, and its dead letters.
func sinkTopics() []string { return append(analytics.SinkTopics(), schemas.TopicDeadLetters) }

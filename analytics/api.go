package analytics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// APIConfig configures the HTTP API. Conn is required.
type APIConfig struct {
	Conn driver.Conn
	// Tenant is whose data are served; the default is "default".
	Tenant string
	// Timeout bounds one request (10 s).
	Timeout time.Duration
	Logger  *slog.Logger
}

// API serves campaigns, triggers and deliveries as JSON, and a dashboard. A
// figure that could not be had is never 0: the request fails with 503, or the
// value is null.
type API struct {
	cfg APIConfig
	mux *http.ServeMux
}

// NewAPI makes the handler of:
//
//	GET /v1/campaigns          ?limit= &after=
//	GET /v1/campaigns/{id}     ?basis= &step= &tz= &from= &to=
//	GET /v1/triggers           ?limit=
//	GET /v1/deliveries         ?limit=
//	GET /                      the dashboard
func NewAPI(cfg APIConfig) *API {
	if cfg.Tenant == "" {
		cfg.Tenant = "default"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &API{cfg: cfg, mux: http.NewServeMux()}
	a.mux.HandleFunc("GET /v1/campaigns", serveJSON(a, a.campaigns))
	a.mux.HandleFunc("GET /v1/campaigns/{id...}", serveJSON(a, a.campaign))
	a.mux.HandleFunc("GET /v1/triggers", serveJSON(a, a.triggers))
	a.mux.HandleFunc("GET /v1/deliveries", serveJSON(a, a.deliveries))
	a.mux.HandleFunc("GET /{$}", serveDashboard)
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeProblem(w, Problem{Title: "Method not allowed", Status: http.StatusMethodNotAllowed})
			return
		}
		writeProblem(w, Problem{Title: "Not found", Status: http.StatusNotFound, Detail: "no such path: " + r.URL.Path})
	})
	return a
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// serveJSON answers with what f returns. A Problem is answered as it is; any
// other error means that the database could not tell.
func serveJSON[T any](a *API, f func(context.Context, *http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
		defer cancel()
		// The server's own limit is a little shorter, so that a query ends
		// there too.
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
			"max_execution_time": max(1, int(a.cfg.Timeout.Seconds())-1),
			"max_result_rows":    100_000,
		}))
		result, err := f(ctx, r)
		var problem *Problem
		switch {
		case errors.As(err, &problem):
			writeProblem(w, *problem)
			return
		case err != nil:
			if r.Context().Err() == nil {
				a.cfg.Logger.Error("query failed", "path", r.URL.Path, "error", err)
			}
			writeProblem(w, Problem{Title: "Unknown", Status: http.StatusServiceUnavailable, Detail: "ClickHouse did not answer; the figures are unknown, not zero"})
			return
		}
		var body bytes.Buffer
		enc := json.NewEncoder(&body)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(result); err != nil {
			a.cfg.Logger.Error("encoding answer", "path", r.URL.Path, "error", err)
			writeProblem(w, Problem{Title: "Internal error", Status: http.StatusInternalServerError})
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body.Bytes()) // The caller went away.
	}
}

// limitOf reads the parameter limit.
func limitOf(r *http.Request, standard, most int) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badParam("limit", fmt.Sprintf("want a number from 1 to %d", most))
	}
	return n, nil
}

// timeOf reads a time: RFC 3339, or a day, which begins at midnight in loc.
func timeOf(r *http.Request, name string, loc *time.Location) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, loc); err == nil {
		return t, nil
	}
	return time.Time{}, badParam(name, "want a time as 2026-01-31T15:04:05Z or a day as 2026-01-31")
}

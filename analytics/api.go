package analytics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// APIConfig configures the HTTP API. Conn is required.
type APIConfig struct {
	Conn driver.Conn
	// Tenant is whose data are served; the default is "default".
	Tenant string
	// Timeout bounds one request (10 s).
	Timeout time.Duration
	// TimeZone is where days and hours begin unless a request says otherwise (UTC).
	TimeZone *time.Location
	// RecipientID, where set, returns the id of an address: without it nobody can
	// be looked up by address.
	RecipientID func(address string) uuid.UUID
	// Rules, where set, returns the rules that are configured.
	Rules func() []Rule
	// Paused, where set, tells whether calls of a rule are held back, and why.
	Paused func(rule string) *Pause
	Logger *slog.Logger

	tailInterval, heartbeat time.Duration    // of those who follow; for tests
	now                     func() time.Time // for tests
}

// API serves campaigns, triggers and deliveries as JSON, and a dashboard. A
// figure that could not be had is never 0: the request fails with 503, or the
// value is null.
type API struct {
	cfg     APIConfig
	mux     *http.ServeMux
	exports chan struct{} // holds one for each list that is streamed
	tails   chan struct{} // and for each who follows
	closing chan struct{} // closed by Close
	close   sync.Once
}

// NewAPI makes the handler of:
//
//	GET /v1/campaigns             ?limit= &after=
//	GET /v1/campaigns/{id}        ?basis= &step= &tz= &from= &to=
//	GET /v1/campaigns/{id}/series ?resolution= &basis= &tz= &since= &until= &format=
//	GET /v1/series                ?campaigns= and as above: several campaigns, or all of the tenant
//	GET /v1/triggers              ?rule= &campaign= &recipient= &status= &since= &until= &limit= &after=
//	GET /v1/triggers/tail         ?rule= &campaign= &recipient= &status=, as server-sent events
//	GET /v1/deliveries            ?rule= &endpoint= &campaign= &recipient= &trigger= &status= &since= &until= &limit= &after=
//	GET /v1/deliveries/{id}       all attempts for a trigger, with requests and answers
//	GET /v1/rules
//	GET /v1/suppressions          ?reason= &scope= &active= &since= &updated_after= &format= &limit= &after=
//	GET /v1/suppressions/check    ?address= &list=; also as POST
//	GET /                         the dashboard
func NewAPI(cfg APIConfig) *API {
	if cfg.Tenant == "" {
		cfg.Tenant = "default"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.TimeZone == nil {
		cfg.TimeZone = time.UTC
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.tailInterval <= 0 {
		cfg.tailInterval, cfg.heartbeat = tailInterval, tailHeartbeat
	}
	a := &API{
		cfg: cfg, mux: http.NewServeMux(),
		exports: make(chan struct{}, maxExports), tails: make(chan struct{}, maxTails), closing: make(chan struct{}),
	}
	for _, r := range a.routes() {
		a.mux.HandleFunc(r.pattern, r.handler)
	}
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

// Close ends what callers follow, which would else keep a server from stopping.
// Other requests are still served.
func (a *API) Close() { a.close.Do(func() { close(a.closing) }) }

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
		if err != nil {
			a.fail(w, r, err)
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

// fail answers with a Problem as it is. Any other error means that the database
// could not tell.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var problem *Problem
	if errors.As(err, &problem) {
		writeProblem(w, *problem)
		return
	}
	if r.Context().Err() == nil {
		a.cfg.Logger.Error("query failed", "path", r.URL.Path, "error", err)
	}
	writeProblem(w, Problem{Title: "Unknown", Status: http.StatusServiceUnavailable, Detail: "ClickHouse did not answer; the figures are unknown, not zero"})
}

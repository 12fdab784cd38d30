package analytics

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/posthorn/posthorn/analytics/dashboard"
)

// APIConfig configures the HTTP API. Conn is required.
type APIConfig struct {
	Conn driver.Conn
	// Tenant is whose data are served; the default is "default".
	Tenant string
	// Timeout bounds one request (10 s).
	Timeout time.Duration
	// MaxQueries is how many answers are worked out at a time (64): more wait, as
	// long as Timeout lets them.
	MaxQueries int
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
	queries chan struct{} // holds one for each answer that is worked out
	exports chan struct{} // holds one for each list that is streamed
	tails   chan struct{} // and for each who follows
	closing chan struct{} // closed by Close
	close   sync.Once

	// What is kept, see kept.
	recipients     kept[recipientsKnown]
	daysByProvider keptBy[string, []providerDay]
	tenantBounces  keptBy[sentBetween, bouncesFound]
	tenantDomains  keptBy[domainsAsked, domainsFound]
	tenantCourses  keptBy[coursesAsked, []valueCourse]
}

// NewAPI makes the handler of the routes, which openapi.json describes, the
// description itself at /v1/openapi.json, and the dashboard.
func NewAPI(cfg APIConfig) *API {
	if cfg.Tenant == "" {
		cfg.Tenant = "default"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.MaxQueries <= 0 {
		cfg.MaxQueries = 64
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
		queries: make(chan struct{}, cfg.MaxQueries), exports: make(chan struct{}, maxExports), tails: make(chan struct{}, maxTails), closing: make(chan struct{}),
	}
	a.daysByProvider.work, a.tenantBounces.work = a.readDays, a.readTenantBounces
	a.recipients.work, a.recipients.limit = a.readRecipients, keptLimit
	a.tenantDomains.work, a.tenantCourses.work = a.readTenantDomains, a.readTenantCourses
	for _, r := range a.routes() {
		a.mux.HandleFunc(r.pattern, r.handler)
	}
	a.mux.HandleFunc("GET /v1/openapi.json", serveOpenAPI)
	a.mux.HandleFunc("GET /docs/statistics", a.serveStatisticsPage)
	a.mux.HandleFunc("GET /docs/style.css", serveDocsStyle)
	pages := dashboard.Handler()
	a.mux.Handle("GET /{$}", pages)
	a.mux.Handle("GET "+dashboard.Prefix, pages)
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

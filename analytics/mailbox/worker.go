package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// WorkerConfig configures a Worker. Conn is required.
type WorkerConfig struct {
	Conn driver.Conn
	// Tenant is whose domains are looked up.
	Tenant string
	// Off: the table is written, and nobody is asked.
	Off bool
	// Resolver is asked; the default is the system's.
	Resolver Resolver
	// Rate bounds the questions a second (10), Concurrency those at a time (4).
	Rate        float64
	Concurrency int
	// Timeout bounds one question (5 s).
	Timeout time.Duration
	// Interval is the time between two looks for domains, where there are none
	// left (2 minutes).
	Interval   time.Duration
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

const (
	// keepKnown and keepUnknown are how long an answer holds: where somebody
	// exchanges a domain's mail, and where nobody does.
	keepKnown   = 30 * 24 * time.Hour
	keepUnknown = 24 * time.Hour
	// roundSize bounds the domains of one round, after which they are written.
	roundSize = 128
	// maxTries is how often a domain is asked for that could not be told before it
	// counts as unknown.
	maxTries = 3
	// maxWait bounds the time between two rounds while no name server answers.
	maxWait = time.Hour
)

// Worker keeps mailbox_providers: it writes the table that Posthorn brings, and
// looks up who exchanges the mail of other domains. Several may run at once; they
// then ask twice.
type Worker struct {
	cfg     WorkerConfig
	limiter *rate.Limiter
	metrics *metrics
	tries   map[string]int // of domains that could not be told
}

// NewWorker makes a Worker.
func NewWorker(cfg WorkerConfig) *Worker {
	if cfg.Tenant == "" {
		cfg.Tenant = "default"
	}
	if cfg.Resolver == nil {
		cfg.Resolver = &net.Resolver{}
	}
	if cfg.Rate <= 0 {
		cfg.Rate = 10
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 4
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Interval <= 0 {
		cfg.Interval = 2 * time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Worker{cfg: cfg, limiter: rate.NewLimiter(rate.Limit(cfg.Rate), cfg.Concurrency), metrics: newMetrics(cfg.Registerer), tries: map[string]int{}}
}

// Run works until ctx ends. What fails is tried again.
func (w *Worker) Run(ctx context.Context) error {
	installed := false
	for wait := w.cfg.Interval; ; {
		more, err := w.step(ctx, &installed)
		switch {
		case ctx.Err() != nil:
			return nil
		case installed && w.cfg.Off:
			<-ctx.Done()
			return nil
		case err != nil:
			w.cfg.Logger.Warn("mailbox providers are not looked up, trying again", "error", err, "in", wait)
		case more:
			wait = w.cfg.Interval
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if wait = min(2*wait, max(maxWait, w.cfg.Interval)); err == nil {
			wait = w.cfg.Interval
		}
	}
}

func (w *Worker) step(ctx context.Context, installed *bool) (more bool, err error) {
	if !*installed {
		changed, err := Install(ctx, w.cfg.Conn)
		if err != nil {
			return false, err
		}
		if *installed = true; changed {
			w.cfg.Logger.Info("mailbox providers of domains are written", "domains", len(domains.names), "revised", domains.revised)
		}
	}
	if w.cfg.Off {
		return false, nil
	}
	return w.Round(ctx)
}

// errNoAnswer says that no domain of a round could be told: that is no matter of
// the domains.
var errNoAnswer = errors.New("no name server answers")

// Round looks up the domains with most messages that nothing is known of, or that
// were looked up too long ago, and tells whether there are more.
func (w *Worker) Round(ctx context.Context) (more bool, err error) {
	asked, waiting, err := w.unknown(ctx)
	if err != nil || len(asked) == 0 {
		return false, err
	}
	found, failed := w.ask(ctx, asked)
	// What was found is kept even if this is told to stop.
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if len(failed) == len(asked) && len(failed) >= maxTries {
		for _, err := range failed {
			return false, fmt.Errorf("%w: %w", errNoAnswer, err)
		}
	}
	for domain := range failed {
		if w.tries[domain]++; w.tries[domain] >= maxTries {
			found[domain] = ""
		}
	}
	if err := w.write(keep, found); err != nil {
		return false, err
	}
	for domain := range found {
		delete(w.tries, domain)
	}
	w.metrics.waiting.Set(float64(waiting - len(found)))
	// Those that failed are asked for again, but not at once.
	return waiting > len(asked) && len(found) > 0, ctx.Err()
}

// unknown lists the domains of a round, and tells how many there are in all.
func (w *Worker) unknown(ctx context.Context) (asked []string, waiting int, err error) {
	now := time.Now()
	rows, err := w.cfg.Conn.Query(ctx, fmt.Sprintf(`SELECT value, count() OVER () FROM (
SELECT value, sum(messages) AS n FROM breakdowns WHERE tenant = ? AND dimension = 'domain' AND campaign_id = '' AND value != ''
GROUP BY value HAVING n > 0
) WHERE NOT match(value, ?) AND value NOT IN (
SELECT domain FROM mailbox_providers GROUP BY domain
HAVING max(told_by = 'table') OR toUnixTimestamp(max(looked_up_at)) > if(argMax(provider, looked_up_at) = '', ?, ?)
) ORDER BY n DESC, value LIMIT %d`, roundSize), w.cfg.Tenant, reserved, now.Add(-keepUnknown).Unix(), now.Add(-keepKnown).Unix())
	if err != nil {
		return nil, 0, fmt.Errorf("listing domains to look up: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var domain string
		var n uint64
		if err := rows.Scan(&domain, &n); err != nil {
			return nil, 0, fmt.Errorf("listing domains to look up: %w", err)
		}
		asked, waiting = append(asked, domain), int(n)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("listing domains to look up: %w", err)
	}
	w.metrics.waiting.Set(float64(waiting))
	return asked, waiting, nil
}

// ask looks domains up, as many at a time and a second as there may be. When ctx
// ends it returns what it has.
func (w *Worker) ask(ctx context.Context, asked []string) (found map[string]string, failed map[string]error) {
	found, failed = map[string]string{}, map[string]error{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(w.cfg.Concurrency)
	for _, domain := range asked {
		if Reserved(domain) {
			continue
		}
		if w.limiter.Wait(ctx) != nil {
			break
		}
		group.Go(func() error {
			limited, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
			defer cancel()
			began := time.Now()
			provider, err := lookUp(limited, w.cfg.Resolver, domain)
			if ctx.Err() != nil {
				return nil // It was told to stop, which says nothing of the domain.
			}
			w.metrics.told(provider, err, time.Since(began))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[domain] = err
			} else {
				found[domain] = provider
			}
			return nil
		})
	}
	_ = group.Wait() // Nobody returns an error.
	return found, failed
}

// write keeps what was found.
func (w *Worker) write(ctx context.Context, found map[string]string) error {
	if len(found) == 0 {
		return nil
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0}))
	batch, err := w.cfg.Conn.PrepareBatch(ctx, `INSERT INTO mailbox_providers (domain, provider, told_by, looked_up_at)`)
	if err != nil {
		return fmt.Errorf("writing mailbox providers: %w", err)
	}
	defer func() { _ = batch.Abort() }() // It was sent.
	now := time.Now().UTC()
	for domain, provider := range found {
		if err := batch.Append(domain, provider, "mx", now); err != nil {
			return fmt.Errorf("writing mailbox providers: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("writing mailbox providers: %w", err)
	}
	return nil
}

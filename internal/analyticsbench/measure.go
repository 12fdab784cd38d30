package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/posthorn/posthorn/analytics"
)

// measured is what one number of events came to.
type measured struct {
	Events    int64
	manifest  *manifest
	storage   *storage
	catchUp   *caughtUp
	freshness *freshness
	overview  *answer
	answers   []*answer
	liveRate  float64
	memory    int64
	loads     []string // averages, at the beginning of phases
}

func bench(ctx context.Context) error {
	o, err := parse()
	if err != nil {
		return err
	}
	if o.data == "" {
		dir, err := os.MkdirTemp("", "posthorn-analyticsbench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.data = dir
	}
	if o.data, err = filepath.Abs(o.data); err != nil {
		return err
	}
	var all []*measured
	for _, events := range o.sizes {
		m, err := measure(ctx, o, events)
		if err != nil {
			return fmt.Errorf("%d events: %w", events, err)
		}
		all = append(all, m)
	}
	return report(o, all)
}

// measure measures one number of events.
func measure(ctx context.Context, o options, events int64) (*measured, error) {
	dir := filepath.Join(o.data, fmt.Sprint(events))
	m := &measured{Events: events}
	// The tail is of the same days as what is loaded: with fewer events it is shorter.
	tail := min(o.tail, events/5)
	o.backlog = min(o.backlog, tail/2)
	var err error
	if m.manifest, err = loaded(ctx, o, dir, loadSpec{Seed: o.seed, Events: events, Tail: tail, Days: o.days}); err != nil {
		return nil, err
	}
	work := filepath.Join(o.data, "work")
	if err := cloneEngine(filepath.Join(dir, "clickhouse"), work); err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	bus := &bus{}
	if o.sections["catchup"] || o.sections["live"] {
		if bus, err = startBus(ctx, o.kafka, filepath.Join(o.data, "kafka")); err != nil {
			return nil, err
		}
		defer bus.close()
	}
	server, err := launch(job{Role: "serve", Dir: work, Brokers: bus.kafka.Brokers})
	if err != nil {
		return nil, err
	}
	defer server.stop()
	var at served
	if err := server.ready(&at); err != nil {
		return nil, err
	}
	conn, err := analytics.Open(ctx, at.DSN)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	run := &running{o: o, m: m, bus: bus, server: server, at: at, conn: conn, filler: newFiller(o.seed, m.manifest), asker: newAsker(at.API), dir: dir}
	err = run.all(ctx)
	m.memory = server.memory()
	return m, err
}

// loaded makes sure that the directory holds what is asked for.
func loaded(ctx context.Context, o options, dir string, spec loadSpec) (*manifest, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	if m != nil && m.Load == spec && m.Schema == recordSchemas() && !o.fresh {
		fmt.Printf("%s events are in %s already\n", short(float64(spec.Events)), dir)
		return m, nil
	}
	if m == nil {
		// Nothing is deleted that this command has not made.
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 && !isUnfinished(dir) {
			return nil, fmt.Errorf("%s is not empty and holds nothing of this benchmark: choose another -data", dir)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p, err := launch(job{Role: "load", Dir: dir, Load: spec})
	if err != nil {
		return nil, err
	}
	defer p.stop()
	stop := context.AfterFunc(ctx, p.stop)
	defer stop()
	if err := p.wait(); err != nil {
		return nil, err
	}
	if m, err = readManifest(dir); err == nil && m == nil {
		err = errors.New("the load has left nothing")
	}
	return m, err
}

// isUnfinished tells a load that was broken off.
func isUnfinished(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "tail"))
	return err == nil
}

// running is a measurement in progress.
type running struct {
	o      options
	m      *measured
	bus    *bus
	server *process
	at     served
	conn   driver.Conn
	filler *filler
	asker  *asker
	dir    string
}

func (r *running) all(ctx context.Context) error {
	var err error
	r.note("sizes")
	if r.m.storage, err = measureStorage(ctx, r.conn); err != nil {
		return err
	}
	list := endpoints()
	if r.o.only != "" {
		list = matching(list, r.o.only)
	}
	for _, e := range list {
		r.m.answers = append(r.m.answers, &answer{endpoint: e})
	}
	if r.o.sections["costs"] {
		r.note("costs")
		if err := r.asker.measureCosts(ctx, r.conn, r.filler, r.m.answers); err != nil {
			return err
		}
	}
	tail, err := openTail(filepath.Join(r.dir, "tail"))
	if err != nil {
		return err
	}
	l := &live{tail: tail, path: filepath.Join(r.dir, "tail")}
	defer func() { l.tail.close() }()
	if r.o.sections["catchup"] {
		if err := r.catchUp(ctx, tail); err != nil {
			return err
		}
	}
	if r.o.sections["live"] {
		return r.live(ctx, l)
	}
	return nil
}

func (r *running) catchUp(ctx context.Context, tail *tailReader) error {
	backlog, events, err := r.bus.hide(ctx, tail, r.o.backlog)
	if err != nil {
		return err
	}
	defer backlog.close()
	r.note("catch-up")
	defer r.profile(ctx, "catchup")()
	r.m.catchUp, err = measureCatchUp(ctx, r.bus, r.server, r.at.API, backlog, events)
	return err
}

// live measures what is measured while events arrive.
func (r *running) live(ctx context.Context, l *live) error {
	producer, err := newProducer(r.bus.kafka)
	if err != nil {
		return err
	}
	defer producer.Close()
	l.out = &producing{client: producer}
	streaming, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- l.run(streaming) }()
	err = r.beside(ctx, l)
	r.m.liveRate = l.rate()
	stop()
	return errors.Join(err, <-ended)
}

// beside measures beside the live stream.
func (r *running) beside(ctx context.Context, l *live) (err error) {
	if err := pause(ctx, r.o.warmUp); err != nil {
		return err
	}
	r.note("freshness")
	defer r.profile(ctx, "live")()
	if r.m.freshness, err = measureFreshness(ctx, r.conn, l, r.o.freshness); err != nil {
		return err
	}
	r.note("overviews")
	r.m.overview = &answer{endpoint: endpoint{"campaign", overviewPath}}
	if err := r.asker.measureTimes(ctx, "overviews", r.filler, []*answer{r.m.overview}, r.o.overviews); err != nil {
		return err
	}
	r.note("pages")
	var served []*answer
	for _, x := range r.m.answers {
		if x.status == 0 {
			served = append(served, x)
		}
	}
	return r.asker.measureTimes(ctx, "pages", r.filler, served, r.o.times)
}

func matching(list []endpoint, text string) (found []endpoint) {
	for _, e := range list {
		if strings.Contains(e.path, text) {
			found = append(found, e)
		}
	}
	return found
}

// note remembers how busy the machine was when a phase began.
func (r *running) note(phase string) {
	r.m.loads = append(r.m.loads, phase+" "+loadAverage())
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}

// profile takes a CPU profile of the measured process for up to half a minute, and
// returns the function that waits for it.
func (r *running) profile(ctx context.Context, name string) func() {
	if r.o.profile == "" {
		return func() {}
	}
	done := make(chan error, 1)
	go func() { done <- r.takeProfile(ctx, name) }()
	return func() {
		if err := <-done; err != nil {
			fmt.Fprintln(os.Stderr, "no profile:", err)
		}
	}
}

func (r *running) takeProfile(ctx context.Context, name string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.at.API+"/debug/pprof/profile?seconds=20", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := os.MkdirAll(r.o.profile, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(r.o.profile, fmt.Sprintf("%s-%d.cpu", name, r.m.Events)))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}

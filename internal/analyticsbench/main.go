// Command analyticsbench measures analytics as a user meets it, on the embedded
// engine: how fast the sink takes events in, how soon they can be queried, how
// long the API's answers take while 10,000 events arrive a second, and what an
// event takes on disk.
//
// The events are made (world.go, life.go), go through the real engagement and
// campaign stages in memory (pipeline.go) and by the real sink into the engine
// (load.go). What is measured is measured on a copy of what was loaded, in a
// process that has what an all-in-one has of analytics (serve.go): the sink in
// catch-up (catchup.go), freshness (live.go), queries (queries.go), sizes
// (storage.go). report.go says what is made of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if spec := os.Getenv(childEnv); spec != "" {
		exit(child(ctx, spec))
	}
	exit(bench(ctx))
}

func exit(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "analyticsbench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(ctx context.Context, spec string) error {
	var j job
	if err := json.Unmarshal([]byte(spec), &j); err != nil {
		return fmt.Errorf("reading %s: %w", childEnv, err)
	}
	switch j.Role {
	case "load":
		return load(ctx, j.Dir, j.Load)
	case "serve":
		return serve(ctx, j)
	case "broker":
		return serveBroker(ctx, j)
	}
	return fmt.Errorf("reading %s: no role %q", childEnv, j.Role)
}

// gcPercent is what the processes of cmd/posthorn work with.
const gcPercent = 200

func init() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// options say what is measured and for how long.
type options struct {
	sizes     []int64 // events in the tables; the last one's results count
	days      float64
	seed      uint64
	backlog   int64 // events that the sink catches up with
	tail      int64 // events made for that and for the live stream
	kafka     string
	data      string
	fresh     bool // load again
	overviews int
	times     int // each other request
	warmUp    time.Duration
	freshness time.Duration
	only      string
	sections  map[string]bool
	profile   string
	report    string
}

var full = options{
	days: 57, seed: 1, backlog: 2_000_000, tail: 4_000_000, kafka: "apache", overviews: 1000, times: 60,
	warmUp: 15 * time.Second, freshness: 60 * time.Second,
}

// brief is a smoke test of about a minute: its figures mean nothing.
var brief = options{
	days: 57, seed: 1, backlog: 30_000, tail: 60_000, kafka: "embedded", overviews: 100, times: 3,
	warmUp: 3 * time.Second, freshness: 6 * time.Second,
}

// sections are what can be measured. Sizes always are.
var sections = []string{"costs", "catchup", "live"}

func parse() (options, error) {
	o, events := full, int64(20_000_000)
	if os.Getenv("SHORT") != "" {
		o, events = brief, 300_000
	}
	o.sections = map[string]bool{}
	if text := os.Getenv("EVENTS"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 100_000 {
			return o, fmt.Errorf("EVENTS=%s: want a number of at least 100000", text)
		}
		events = n
	}
	growth := flag.String("growth", "", "smaller and larger numbers of events to measure before, such as 2000000,60000000")
	flag.Int64Var(&events, "events", events, "events in the tables")
	flag.Float64Var(&o.days, "days", o.days, "days that they are of")
	flag.Uint64Var(&o.seed, "seed", o.seed, "of what is made")
	flag.Int64Var(&o.backlog, "backlog", o.backlog, "events that the sink catches up with")
	flag.Int64Var(&o.tail, "tail", o.tail, "events made for the backlog and for what arrives while queries run; a fifth of the others at most, and used again where it ends")
	flag.StringVar(&o.kafka, "kafka", o.kafka, "Kafka to measure with: apache or embedded")
	flag.StringVar(&o.data, "data", o.data, "directory that keeps what was loaded for the next run; a temporary one if empty")
	flag.BoolVar(&o.fresh, "fresh", false, "load again what -data holds: after a change of stages, sink or tables")
	flag.IntVar(&o.overviews, "overviews", o.overviews, "requests for campaign overviews")
	flag.IntVar(&o.times, "times", o.times, "requests for each of the others")
	flag.DurationVar(&o.freshness, "freshness", o.freshness, "how long freshness is measured")
	flag.StringVar(&o.only, "only", "", "measure only the requests whose path holds this")
	wanted := flag.String("sections", strings.Join(sections, ","), "what to measure; costs, which is what each request reads by itself, and sizes are fit for a busy machine")
	flag.StringVar(&o.profile, "profile", "", "directory for CPU profiles of the measured process")
	flag.StringVar(&o.report, "report", "", "file to write the report to, with the plot beside it")
	flag.Parse()
	for _, name := range strings.Split(*wanted, ",") {
		if !slices.Contains(sections, name) {
			return o, fmt.Errorf("-sections %s: want some of %s", *wanted, strings.Join(sections, ","))
		}
		o.sections[name] = true
	}
	for _, text := range strings.FieldsFunc(*growth, func(r rune) bool { return r == ',' }) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 100_000 {
			return o, fmt.Errorf("-growth %s: want numbers of at least 100000", *growth)
		}
		o.sizes = append(o.sizes, n)
	}
	o.sizes = append(o.sizes, events)
	if o.backlog > o.tail {
		return o, fmt.Errorf("-backlog %d is more than -tail %d: the backlog is of the tail", o.backlog, o.tail)
	}
	return o, nil
}

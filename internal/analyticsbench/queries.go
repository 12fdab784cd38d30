package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"
)

// clients is how many ask at the same time.
const clients = 4

// answer is how one endpoint answered.
type answer struct {
	endpoint
	times  distribution // milliseconds, beside the ingest
	status int          // of the answers that were not 200; 0: none
	failed int
	bytes  int // of the largest answer
	first  cost
	cost   cost // once what is kept is known
}

// cost is what the request for the largest campaign reads where nothing else
// runs.
type cost struct {
	Queries, Rows, Marks, Parts, Bytes uint64
	CPU                                uint64 // µs, of the engine
	ms                                 float64
}

// asker asks the API.
type asker struct {
	url    string
	client *http.Client
}

func newAsker(url string) *asker {
	return &asker{url, &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: clients}}}
}

func (a *asker) ask(ctx context.Context, path string) (status, size int, took time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, nil)
	if err != nil {
		return 0, 0, 0, err
	}
	began := time.Now()
	response, err := a.client.Do(request)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("asking %s: %w", path, err)
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("reading the answer to %s: %w", path, err)
	}
	return response.StatusCode, int(n), time.Since(began), nil
}

// measureCosts asks for each endpoint twice, of the largest campaign, while nothing
// else runs.
func (a *asker) measureCosts(ctx context.Context, conn driver.Conn, f *filler, answers []*answer) error {
	for _, x := range answers {
		path := f.fillWith(x.path, f.largest())
		// The first one may have to read marks, and what the API itself keeps.
		for _, cost := range []*cost{&x.first, &x.cost} {
			before, err := readCost(ctx, conn)
			if err != nil {
				return err
			}
			status, size, took, err := a.ask(ctx, path)
			if err != nil {
				return err
			}
			after, err := readCost(ctx, conn)
			if err != nil {
				return err
			}
			*cost = after.less(before)
			cost.ms = float64(took.Microseconds()) / 1000
			if x.bytes = size; status != http.StatusOK {
				x.status = status
			}
		}
	}
	return nil
}

// readCost reads what all queries have read so far.
func readCost(ctx context.Context, conn driver.Conn) (c cost, err error) {
	err = conn.QueryRow(ctx, `SELECT sumIf(value, event = 'SelectQuery'), sumIf(value, event = 'SelectedRows'), sumIf(value, event = 'SelectedMarks'),
	sumIf(value, event = 'SelectedParts'), sumIf(value, event = 'SelectedBytes'), sumIf(value, event = 'OSCPUVirtualTimeMicroseconds')
FROM system.events`).Scan(&c.Queries, &c.Rows, &c.Marks, &c.Parts, &c.Bytes, &c.CPU)
	if err != nil {
		return c, fmt.Errorf("reading the engine's counters: %w", err)
	}
	return c, nil
}

// less takes off what was before, and the look at it itself.
func (c cost) less(before cost) cost {
	return cost{
		Queries: c.Queries - before.Queries - 1, Rows: c.Rows - before.Rows, Marks: c.Marks - before.Marks,
		Parts: c.Parts - before.Parts, Bytes: c.Bytes - before.Bytes, CPU: c.CPU - before.CPU,
	}
}

// measureTimes asks for each of the answers so many times, in a random order, by
// several clients at once.
func (a *asker) measureTimes(ctx context.Context, name string, f *filler, answers []*answer, times int) error {
	type task struct {
		to   *answer
		path string
	}
	var tasks []task
	for _, x := range answers {
		for range times {
			tasks = append(tasks, task{x, f.fill(x.path)})
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
	queue := make(chan task)
	took := map[*answer][]float64{}
	var mu sync.Mutex
	bar := newProgress(name, float64(len(tasks)), "requests")
	asked := 0
	group, ctx := errgroup.WithContext(ctx)
	for range clients {
		group.Go(func() error {
			for t := range queue {
				status, size, d, err := a.ask(ctx, t.path)
				if err != nil {
					return err
				}
				mu.Lock()
				if status == http.StatusOK {
					took[t.to] = append(took[t.to], float64(d.Microseconds())/1000)
				} else {
					t.to.status = status
					t.to.failed++
				}
				t.to.bytes = max(t.to.bytes, size)
				asked++
				bar.at(float64(asked), "")
				mu.Unlock()
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(queue)
		for _, t := range tasks {
			select {
			case queue <- t:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err := group.Wait()
	bar.end(float64(asked), "")
	for _, x := range answers {
		x.times = distributionOf(took[x])
	}
	return err
}

// slowest returns the endpoint of each page of the dashboard whose p95 is the
// greatest, the slowest page first.
func slowest(answers []*answer) []*answer {
	worst := map[string]*answer{}
	for _, x := range answers {
		if w := worst[x.page]; x.page != apiOnly && x.times.N > 0 && (w == nil || x.times.P95 > w.times.P95) {
			worst[x.page] = x
		}
	}
	var list []*answer
	for _, x := range worst {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b *answer) int { return cmp.Compare(b.times.P95, a.times.P95) })
	return list
}

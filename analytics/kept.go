package analytics

import (
	"context"
	"slices"
	"sync"
	"time"
)

// kept is a result that takes too long to be worked out for each who asks. It is
// told to all for twenty times what it took, so that it costs a twentieth of one
// core, but not for more than a minute. After that whoever asks still gets it,
// while it is worked out anew, until it is ten times as old; then they wait. So
// with little data everything is fresh, and nobody gets what is of yesterday.
type kept[T any] struct {
	work func(context.Context) (T, error)
	// limit bounds the work, which belongs to no request.
	limit time.Duration

	mu      sync.Mutex
	value   T
	at      time.Time // when the work began; zero: there is no value
	took    time.Duration
	running *attempt
}

// attempt is one run of the work.
type attempt struct {
	done chan struct{}
	err  error // set before done is closed
}

const (
	keptFresh    = 20 // times what it took
	maxKeptFresh = time.Minute
	keptUsable   = 10 // times as long as it is fresh
	keptLimit    = 2 * time.Minute
)

// get returns the result and the time as of which it is.
func (k *kept[T]) get(ctx context.Context) (T, time.Time, error) {
	k.mu.Lock()
	age := time.Since(k.at)
	fresh := min(keptFresh*k.took, maxKeptFresh)
	usable := !k.at.IsZero() && age <= keptUsable*fresh
	if k.running == nil && (!usable || age > fresh) {
		k.running = &attempt{done: make(chan struct{})}
		go k.run(k.running)
	}
	value, at, running := k.value, k.at, k.running
	k.mu.Unlock()
	if usable {
		return value, at, nil
	}
	select {
	case <-ctx.Done():
		return value, at, ctx.Err()
	case <-running.done:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.value, k.at, running.err
}

func (k *kept[T]) run(this *attempt) {
	ctx, cancel := context.WithTimeout(context.Background(), k.limit)
	defer cancel()
	began := time.Now()
	value, err := k.work(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.value, k.at, k.took = value, began, time.Since(began)
	}
	this.err, k.running = err, nil
	close(this.done)
}

// keptBy are results by what was asked for.
type keptBy[K comparable, T any] struct {
	work func(context.Context, K) (T, error)

	mu   sync.Mutex
	by   map[K]*kept[T]
	last []K // those that were asked for, the latest last
}

// maxKept bounds the results that are kept of one kind.
const maxKept = 32

func (k *keptBy[K, T]) get(ctx context.Context, key K) (T, time.Time, error) {
	return k.of(key).get(ctx)
}

// of returns where the result of a key is kept, and forgets those that nobody has
// asked for since as many others were.
func (k *keptBy[K, T]) of(key K) *kept[T] {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.by == nil {
		k.by = map[K]*kept[T]{}
	}
	if k.by[key] == nil {
		k.by[key] = &kept[T]{limit: keptLimit, work: func(ctx context.Context) (T, error) { return k.work(ctx, key) }}
	}
	k.last = append(slices.DeleteFunc(k.last, func(other K) bool { return other == key }), key)
	if len(k.last) > maxKept {
		delete(k.by, k.last[0])
		k.last = k.last[1:]
	}
	return k.by[key]
}

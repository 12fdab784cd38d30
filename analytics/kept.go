package analytics

import (
	"context"
	"sync"
	"time"
)

// kept is a result that takes too long to be worked out for each who asks. It is
// kept for as long as keeps it to a twentieth of one core: twenty times what it
// took. After that whoever asks still gets it, while it is worked out anew, until
// it is ten times as old; then they wait. So with little data everything is fresh,
// and nobody who asks now and then gets what is of yesterday.
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
	keptFresh  = 20  // times what it took
	keptUsable = 200 // times what it took
	keptLimit  = 2 * time.Minute
)

// get returns the result and the time as of which it is.
func (k *kept[T]) get(ctx context.Context) (T, time.Time, error) {
	k.mu.Lock()
	age := time.Since(k.at)
	usable := !k.at.IsZero() && age <= keptUsable*k.took
	if k.running == nil && (!usable || age > keptFresh*k.took) {
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

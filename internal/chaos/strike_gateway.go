//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// gatewayKinds are the kinds of faults in a run of the gateway.
var gatewayKinds []kind

func init() {
	const ms, s = time.Millisecond, time.Second
	gatewayKinds = []kind{
		{"gateway-kill", 5, onWorker, false, 0, 1500 * ms, killGateway},
		{"gateway-restart", 1, onWorker, false, 0, s, restartGateway},
		{"gateway-pause", 1, onWorker, false, 500 * ms, 3 * s, freezeGateway},
		{"spool-kill", 4, onWorker, false, 2 * s, 5 * s, killSpooling},
		{"spool-torn", 2, onWorker, false, 2 * s, 4 * s, tearSpool},
		{"spool-full", 2, onWorker, false, 12 * s, 16 * s, fillSpool},
		{"kafka-away", 3, onAll, false, 6 * s, 12 * s, partKafka},
		{"connections-cut", 2, onWorker, true, 0, 2 * s, cutConnections},
		{"connections-slow", 1, onWorker, true, s, 4 * s, delayConnections},
		{"connections-thin", 1, onWorker, true, s, 4 * s, throttleConnections},
		{"connections-dead", 2, onWorker, true, 2 * s, 7 * s, blackHole},
		{"broker-kill", 2, onBroker, false, 0, 2 * s, killBroker},
		{"broker-pause", 1, onBroker, false, s, 5 * s, freezeBroker},
		{"broker-restart", 1, onBroker, false, 0, 0, restartBroker},
	}
}

// kills tells which kinds kill a gateway.
func (k *kind) kills() bool {
	return k.name == "gateway-kill" || k.name == "spool-kill" || k.name == "spool-torn"
}

func (r *run) gateway(f fault) *gateway { return r.gateways[f.Worker-1] }

// killGateway kills a gateway and starts it again; one time in three it is killed
// a second time on its way.
func killGateway(ctx context.Context, r *run, f fault) (hit, error) {
	g := r.gateway(f)
	h, err := g.atWork(ctx, r)
	if err == nil {
		err = g.kill()
	}
	if err == nil {
		err = wait(ctx, f.Hold/4)
	}
	if err != nil {
		return h, err
	}
	if f.Choice%3 == 0 {
		if err := errors.Join(g.launch(), wait(ctx, f.Hold), g.kill()); err != nil {
			return h, err
		}
		h.why += fmt.Sprintf("; killed again %d ms after its start", f.Hold.Milliseconds())
	}
	return h, g.launch()
}

// restartGateway stops a gateway in order and starts it again.
func restartGateway(ctx context.Context, r *run, f fault) (hit, error) {
	g := r.gateway(f)
	h, err := g.atWork(ctx, r)
	if err == nil {
		err = g.terminate()
	}
	if err == nil {
		err = wait(ctx, f.Hold)
	}
	if err != nil {
		return h, err
	}
	return h, g.launch()
}

// freezeGateway stops a gateway in its tracks for a while.
func freezeGateway(ctx context.Context, r *run, f fault) (hit, error) {
	g := r.gateway(f)
	h, err := g.atWork(ctx, r)
	if err == nil {
		err = g.freeze()
	}
	if err != nil {
		return h, err
	}
	return h, errors.Join(wait(ctx, f.Hold), g.thaw())
}

// away has a gateway's way to Kafka cut while something is done. Without a spool
// it refuses everything meanwhile.
func (g *gateway) away(do func() error) error {
	g.proxies.cut(0)
	return errors.Join(do(), g.proxies.restore(0))
}

// killSpooling kills a gateway while Kafka is away, some time after it has begun
// to keep webhooks in the spool. It starts again before Kafka is back, or after.
func killSpooling(ctx context.Context, r *run, f fault) (h hit, err error) {
	g := r.gateway(f)
	err = g.away(func() error {
		err := wait(ctx, f.Hold)
		if err == nil {
			h, err = g.atWork(ctx, r)
		}
		if err == nil {
			err = g.kill()
		}
		if err != nil || f.Choice%2 == 0 {
			return err
		}
		h.why += "; started while Kafka was away"
		return errors.Join(g.launch(), wait(ctx, f.Hold/2))
	})
	if err != nil {
		return h, err
	}
	return h, g.launchUnlessRunning()
}

func (g *gateway) launchUnlessRunning() error {
	if g.gone() != nil {
		return nil
	}
	return g.launch()
}

// tearSpool kills a gateway while it keeps webhooks in the spool, and leaves
// behind its last record the beginning of another, as a loss of power does.
func tearSpool(ctx context.Context, r *run, f fault) (h hit, err error) {
	g := r.gateway(f)
	err = g.away(func() error {
		err := wait(ctx, f.Hold)
		if err == nil {
			h, err = g.atWork(ctx, r)
		}
		return errors.Join(err, g.kill())
	})
	if err != nil {
		return h, err
	}
	torn, err := g.tear(f.Choice)
	if err != nil {
		return h, err
	}
	h.why += "; " + torn
	return h, g.launch()
}

// tear appends to the last segment what a crash leaves of a record: its header
// and a part of its payload, or zeros where the file has grown without its data.
func (g *gateway) tear(choice uint64) (string, error) {
	paths, _ := g.segments()
	if len(paths) == 0 {
		return "no segment to tear", nil
	}
	last := paths[len(paths)-1]
	data, err := os.ReadFile(last)
	if err != nil {
		return "", err
	}
	rest := make([]byte, 1+choice/4%4096)
	if choice%2 == 0 {
		// A record begins with the marker that the segment's header has in its
		// bytes 12 to 16; of this one the length says that more was to come.
		if len(data) < 16 {
			return "the last segment has no header yet", nil
		}
		head := append(append([]byte{}, data[12:16]...), 0xff, 0xff, 0, 0, 1, 2, 3, 4)
		copy(rest, head)
	}
	f, err := os.OpenFile(last, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	_, err = f.Write(rest)
	return fmt.Sprintf("%d bytes of a torn record behind %d", len(rest), len(data)), errors.Join(err, f.Close())
}

// fillSpool fills a gateway's disk while Kafka is away, for longer than a request
// waits: nothing can be kept, and it must say so. One time in two the gateway is
// killed and starts with its disk full.
func fillSpool(ctx context.Context, r *run, f fault) (h hit, err error) {
	g := r.gateway(f)
	if !g.disk.mounted {
		return hit{false, "not tested: mounting a file system is not permitted"}, nil
	}
	refused := r.client.refusedBy(503)
	err = g.away(func() error {
		err := wait(ctx, 2*time.Second)
		if err == nil {
			h, err = g.atWork(ctx, r)
		}
		if err == nil {
			err = errors.Join(g.disk.fill(), wait(ctx, f.Hold))
		}
		if err == nil && f.Choice%2 == 0 {
			h.why += "; killed with its disk full"
			err = errors.Join(g.kill(), g.disk.fill(), g.launch(), wait(ctx, 2*time.Second))
		}
		return err
	})
	if f.Choice%4 < 2 {
		// What is in the spool must go while the disk is still full.
		h.why += "; Kafka back while it was full"
		err = errors.Join(err, wait(ctx, 2*time.Second))
	}
	h.why += fmt.Sprintf("; %d requests refused with 503", r.client.refusedBy(503)-refused)
	return h, errors.Join(err, g.disk.free())
}

// partKafka takes Kafka away from all gateways, for longer than a request waits.
func partKafka(ctx context.Context, r *run, f fault) (hit, error) {
	h := hit{}
	errs := make([]error, len(r.gateways))
	hits := make([]hit, len(r.gateways))
	var all sync.WaitGroup
	for i, g := range r.gateways {
		all.Go(func() {
			errs[i] = g.away(func() (err error) {
				if err = wait(ctx, f.Hold); err == nil {
					hits[i], err = g.atWork(ctx, r)
				}
				return err
			})
		})
	}
	all.Wait()
	for i, g := range r.gateways {
		h.counted = h.counted || hits[i].counted
		h.why += g.name + ": " + hits[i].why + "; "
	}
	return h, errors.Join(errs...)
}

//go:build linux

package main

import (
	"context"
	"time"
)

// target is what a kind of fault is done to.
type target int

const (
	onWorker target = iota
	onBroker
	onAll // alone in its round
)

// kind is a kind of fault.
type kind struct {
	name  string
	share int // of a deck
	on    target
	// connections: it concerns those to one broker, or to all of them.
	connections bool
	least, most time.Duration // of Hold
	strike      func(ctx context.Context, r *run, f fault) (hit, error)
}

// hit is what a fault did. The strike returns when its cause is gone.
type hit struct {
	counted bool
	why     string
}

// beyond is longer than a session: others have taken over.
const beyond = sessionTimeout + 2*time.Second

// kinds are filled at the start: what they do leads back to them.
var kinds []kind

func init() {
	const ms, s = time.Millisecond, time.Second
	kinds = []kind{
		{"worker-kill", 7, onWorker, false, 0, 1500 * ms, killWorker},
		{"worker-restart", 3, onWorker, false, 0, s, restartWorker},
		{"worker-pause", 2, onWorker, false, 500 * ms, 3 * s, freezeWorker},
		{"zombie", 4, onWorker, false, beyond, beyond + 2*s, freezeWorker},
		{"state-deleted", 2, onWorker, false, 0, 500 * ms, deleteState},
		{"state-stale", 2, onWorker, false, 2 * s, 4 * s, staleState},
		{"disk-full", 2, onWorker, false, s, 4 * s, fillDisk},
		{"clock-jump", 3, onWorker, false, 500 * ms, 2 * s, jumpClock},
		{"connections-cut", 4, onWorker, true, 0, 2 * s, cutConnections},
		{"connections-slow", 3, onWorker, true, s, 4 * s, delayConnections},
		{"connections-thin", 2, onWorker, true, s, 4 * s, throttleConnections},
		{"connections-dead", 4, onWorker, true, 2 * s, 9 * s, blackHole},
		{"broker-kill", 4, onBroker, false, 0, 2 * s, killBroker},
		{"broker-pause", 3, onBroker, false, s, 7 * s, freezeBroker},
		{"broker-restart", 1, onBroker, false, 0, 0, restartBroker},
		{"leader-move", 2, onBroker, false, 0, 0, moveLeaders},
		{"rolling-restart", 2, onAll, false, 0, s, rollingRestart},
		{"rescale", 2, onAll, false, 2 * s, 5 * s, rescale},
		{"zombie-timer", 2, onAll, false, beyond, beyond + 2*s, zombieTimer},
		{"protocol-switch", 1, onAll, false, 0, 0, switchProtocol},
	}
}

func kindOf(name string) *kind {
	for _, list := range [][]kind{kinds, gatewayKinds} {
		for i := range list {
			if list[i].name == name {
				return &list[i]
			}
		}
	}
	return nil
}

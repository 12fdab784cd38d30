package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/processor/trigger/reload"
)

// liveRules loads the rules and keeps them as their files are. SIGHUP has the
// files read again at once.
func (n *node) liveRules(to *actors) (*trigger.Live, error) {
	live := &trigger.Live{}
	w, err := reload.Load(reload.Config{
		Paths: n.cfg.Rules, Live: live,
		Check:  func(set *trigger.Set) error { return checkCalls(n.cfg, set) },
		Logger: n.log, Registerer: n.reg,
	})
	if err != nil {
		return nil, err
	}
	n.rules = live
	n.board.rulesStatus(w.Status)
	n.health.Register("rules", w.Check)
	to.add("rules", func(ctx context.Context) error {
		again := make(chan os.Signal, 1)
		signal.Notify(again, syscall.SIGHUP)
		heard := make(chan struct{})
		go func() {
			defer close(heard)
			for {
				select {
				case <-again:
					w.Reload()
				case <-ctx.Done():
					return
				}
			}
		}()
		defer func() {
			signal.Stop(again)
			<-heard
		}()
		return w.Run(ctx)
	})
	return live, nil
}

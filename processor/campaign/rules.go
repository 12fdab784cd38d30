package campaign

import (
	"bytes"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// ruleBook is the part of a task that judges the rules of campaigns. What it
// holds in memory is in the store, but for what the open transaction changes.
type ruleBook struct {
	live    *trigger.Live
	serde   *schemas.Serde
	topic   string           // of triggers
	set     *trigger.Set     // in force, as of the last record or timer
	purged  bool             // no other rule is in the store
	watches map[string]*kept // by key of the head
	dirty   []*kept
}

// maxWatches bounds the watches kept in memory between transactions.
const maxWatches = 4096

// count takes the changes of one record into account.
func (b *ruleBook) count(ctx stream.Context, d *schemas.CampaignDelta) error {
	if err := b.follow(ctx); err != nil {
		return err
	}
	frontier := schemas.FromTime(ctx.Frontier())
	for i := range d.Rules {
		r := b.rule(d.Rules[i].Rule)
		if r == nil {
			continue // removed meanwhile
		}
		w, err := b.watch(ctx, r, d.Tenant, d.CampaignID)
		if err != nil {
			return err
		}
		if !w.add(r, &d.Rules[i], frontier) {
			// What changes a step stands before the frontier that decides it, unless a
			// broker's clock went back.
			ctx.Late(1)
			continue
		}
		b.touch(w)
		b.schedule(ctx, w)
	}
	return nil
}

// timer decides the boundaries that the frontier has passed.
func (b *ruleBook) timer(ctx stream.Context, key []byte) error {
	if err := b.follow(ctx); err != nil {
		return err
	}
	rule, tenant, campaign, err := splitWatchKey(key)
	if err != nil {
		return err
	}
	r := b.rule(rule)
	if r == nil {
		b.remove(ctx, rule, key)
		return nil
	}
	w, err := b.watch(ctx, r, tenant, campaign)
	if err != nil {
		return err
	}
	w.due = 0 // the engine has deleted it
	w.decide(r, schemas.FromTime(ctx.Frontier()), func(f firing) { b.fire(ctx, w, f) })
	b.touch(w)
	b.schedule(ctx, w)
	return nil
}

// fire emits what a rule says of a campaign. The key is the campaign's: where
// triggers have as many partitions as the stage's input it is the task's own.
func (b *ruleBook) fire(ctx stream.Context, w *kept, f firing) {
	firing := w.rule.WindowFiring(f.at, f.raised, f.hits, f.base)
	rec := firing.Record(&trigger.Message{Tenant: w.tenant, CampaignID: w.campaign}, w.campaign)
	ctx.Produce(&kgo.Record{
		Topic: b.topic,
		Key:   []byte(w.tenant + "/" + w.campaign),
		Value: b.serde.Append(nil, schemas.TopicTriggers, rec),
	})
}

// schedule sets the timer of a watch for the next boundary at which something
// may change.
func (b *ruleBook) schedule(ctx stream.Context, w *kept) {
	switch due := w.next(w.rule); {
	case due == w.due:
	case due == 0:
		ctx.DeleteTimer(bytes.Clone(w.key))
		w.due = 0
	default:
		ctx.SetTimer(bytes.Clone(w.key), due.Time())
		w.due = due
	}
}

// rule returns a rule of campaigns by its name, nil where there is none.
func (b *ruleBook) rule(name string) *trigger.Rule {
	if r := b.set.Rule(name); r != nil && r.OfCampaign() {
		return r
	}
	return nil
}

// watch returns what a rule has counted of a campaign, from memory or from the
// store, or a new one.
func (b *ruleBook) watch(ctx stream.Context, r *trigger.Rule, tenant, campaign string) (*kept, error) {
	var buf [128]byte
	key := appendWatchKey(buf[:0], r.Name, tenant, campaign)
	w := b.watches[string(key)]
	if w == nil {
		// The texts of a record share its memory.
		w = &kept{watch: watch{tenant: strings.Clone(tenant), campaign: strings.Clone(campaign)}, key: bytes.Clone(key)}
		if err := w.load(ctx.Store(storeRules), r.Name); err != nil {
			return nil, err
		}
		b.watches[string(key)] = w
	}
	if w.rule != r {
		w.rule = r
		if w.adopt(r) {
			w.saved = -1
		}
	}
	return w, nil
}

func (b *ruleBook) touch(w *kept) {
	if !w.dirty {
		w.dirty = true
		b.dirty = append(b.dirty, w)
	}
}

// flush writes what changed.
func (b *ruleBook) flush(ctx stream.Context) {
	store := ctx.Store(storeRules)
	for _, w := range b.dirty {
		if b.watches[string(w.key)] == w { // else it was removed
			w.write(store)
		}
		w.dirty = false
		if w.empty() {
			delete(b.watches, string(w.key))
		}
	}
	clear(b.dirty)
	b.dirty = b.dirty[:0]
	if len(b.watches) > maxWatches {
		clear(b.watches)
	}
}

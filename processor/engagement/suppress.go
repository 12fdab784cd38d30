package engagement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
	"github.com/posthorn/posthorn/schemas"
)

// suppressing is the work on suppressions of one transaction.
type suppressing struct {
	topic      string
	recipients map[string]*suppressed // by store key
}

// suppressed is a recipient whose marks are in work.
type suppressed struct {
	tenant string
	id     schemas.ID
	// before are the marks of all lists as they were before the transaction.
	before marks
	scopes map[string]*scopeChange // by list; that of all is always there
	all    bool                    // every scope was read
}

// scopeChange is one scope of a recipient in work.
type scopeChange struct {
	marks
	// before is what was derived before the transaction, if anything was.
	before schemas.Suppression
	dirty  bool
}

// suppress takes an event into what suppresses its recipient. It may be called
// for repetitions too: they change nothing. The state never expires.
func (t *task) suppress(ctx stream.Context, e *schemas.Event) error {
	kind, ok := markKindOf(e)
	if !ok || e.Recipient == "" {
		return nil
	}
	r, err := t.recipient(ctx, e)
	if err != nil {
		return err
	}
	list := ""
	if kind != markComplaint && kind != markHardBounce {
		list = boundText(e.ListID)
	}
	if list == "" && !kind.suppresses() {
		// It concerns every scope there is.
		if err := t.readScopes(ctx, r); err != nil {
			return err
		}
	}
	c, err := t.scope(ctx, r, list)
	if err != nil {
		return err
	}
	m := kindMark{kind: kind, at: e.OccurredAt, arrived: e.ArrivedAt, id: e.EventID}
	if kind.suppresses() {
		m.account, m.campaign = boundText(e.Account), boundText(e.CampaignID)
	}
	if c.add(m) {
		c.address = boundText(strings.ToLower(strings.TrimSpace(e.Recipient)))
		c.dirty = true
	}
	return nil
}

// recipient returns the recipient of an event, with the marks of all lists.
func (t *task) recipient(ctx stream.Context, e *schemas.Event) (*suppressed, error) {
	t.key = appendSuppressKey(t.key[:0], e.Tenant, e.RecipientID, "")
	if r := t.suppressing.recipients[string(t.key)]; r != nil {
		return r, nil
	}
	r := &suppressed{tenant: e.Tenant, id: e.RecipientID, scopes: map[string]*scopeChange{}}
	c, err := t.scope(ctx, r, "")
	if err != nil {
		return nil, err
	}
	r.before = marks{marks: slices.Clone(c.marks.marks)}
	if t.suppressing.recipients == nil {
		t.suppressing.recipients = map[string]*suppressed{}
	}
	t.suppressing.recipients[string(t.key)] = r
	return r, nil
}

// appendSuppressKey appends the store key of a scope. A tenant holds no NUL byte
// and the recipient id has a fixed size.
func appendSuppressKey(b []byte, tenant string, recipient schemas.ID, list string) []byte {
	b = append(append(b, tenant...), 0)
	return append(append(b, recipient[:]...), list...)
}

// scope returns a scope of a recipient, from its store where need be.
func (t *task) scope(ctx stream.Context, r *suppressed, list string) (*scopeChange, error) {
	if c := r.scopes[list]; c != nil {
		return c, nil
	}
	value, err := ctx.Store(storeSuppress).Get(appendSuppressKey(nil, r.tenant, r.id, list))
	if err != nil {
		return nil, fmt.Errorf("reading suppression: %w", err)
	}
	return r.take(list, value)
}

func (r *suppressed) take(list string, value []byte) (*scopeChange, error) {
	c := &scopeChange{marks: marks{list: strings.Clone(list)}}
	if value != nil {
		if err := c.decode(value); err != nil {
			return nil, err
		}
		all := &r.before
		if list == "" {
			all = &c.marks
		}
		c.before, _ = c.derive(all)
	}
	r.scopes[c.list] = c
	return c, nil
}

// readScopes reads every scope of a recipient.
func (t *task) readScopes(ctx stream.Context, r *suppressed) error {
	if r.all {
		return nil
	}
	prefix := appendSuppressKey(nil, r.tenant, r.id, "")
	var failed error
	err := ctx.Store(storeSuppress).Scan(prefix, stream.PrefixEnd(prefix), func(key, value []byte) bool {
		list := string(key[len(prefix):])
		if r.scopes[list] == nil {
			_, failed = r.take(list, value)
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("reading suppressions of a recipient: %w", err)
	}
	r.all = true
	return nil
}

// flushSuppressions writes what changed, and emits what came of it.
func (t *task) flushSuppressions(ctx stream.Context) error {
	for _, key := range slices.Sorted(maps.Keys(t.suppressing.recipients)) {
		r := t.suppressing.recipients[key]
		for _, list := range slices.Sorted(maps.Keys(r.scopes)) {
			t.flushScope(ctx, r, r.scopes[list])
		}
	}
	clear(t.suppressing.recipients)
	return nil
}

func (t *task) flushScope(ctx stream.Context, r *suppressed, c *scopeChange) {
	s, ok := c.derive(&r.scopes[""].marks)
	if ok && s != c.before {
		c.revision++
		c.dirty = true
		s.Tenant, s.RecipientID, s.Revision = r.tenant, r.id, c.revision
		key := fmt.Appendf(nil, "%s/%s/%s", s.Tenant, s.RecipientID, s.Scope)
		ctx.ProduceTo(&kgo.Record{Topic: t.suppressing.topic, Key: key, Value: t.serde.Append(nil, schemas.TopicSuppressions, &s)}, ctx.Partition())
	}
	if c.dirty {
		key := appendSuppressKey(nil, r.tenant, r.id, c.list)
		ctx.Store(storeSuppress).Put(key, c.append(nil))
	}
}

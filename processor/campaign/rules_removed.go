package campaign

import (
	"bytes"
	"fmt"

	"github.com/posthorn/posthorn/processor/stream"
)

// purgeChunk is how many watches of removed rules are forgotten at a time.
const purgeChunk = 100

// follow takes the rules that are in force now, and forgets what those that no
// longer are have counted, a little with each record and timer.
func (b *ruleBook) follow(ctx stream.Context) error {
	if set := b.live.Load(); set != b.set {
		b.set, b.purged = set, false
	}
	if b.purged {
		return nil
	}
	rule, keys, err := b.removed(ctx.Store(storeRules))
	if err != nil {
		return fmt.Errorf("looking for rules that were removed: %w", err)
	}
	for _, key := range keys {
		b.remove(ctx, rule, key)
	}
	b.purged = len(keys) == 0
	return nil
}

// removed returns some keys of a rule that is not in force; none: there is none.
func (b *ruleBook) removed(store stream.Store) (rule string, keys [][]byte, err error) {
	for from := []byte{}; from != nil; {
		var found []byte
		if err := store.Scan(from, nil, func(key, _ []byte) bool {
			found = bytes.Clone(key)
			return false
		}); err != nil || found == nil {
			return "", nil, err
		}
		name, end := ruleOf(found)
		if b.rule(name) == nil {
			if keys, err = headKeys(store, name); err != nil || len(keys) > 0 {
				return name, keys, err
			}
		}
		from = end
	}
	return "", nil, nil
}

// ruleOf returns the rule that a key belongs to, and the end of all its keys.
func ruleOf(key []byte) (rule string, end []byte) {
	n := bytes.IndexFunc(key, func(r rune) bool { return r < keyEnd })
	if n < 0 {
		n = len(key)
	}
	return string(key[:n]), append(bytes.Clone(key[:n]), keyEnd)
}

// headKeys returns the first keys of a rule's watches.
func headKeys(store stream.Store, rule string) (keys [][]byte, err error) {
	from, to := append([]byte(rule), keyHead), append([]byte(rule), keyHead+1)
	err = store.Scan(from, to, func(key, _ []byte) bool {
		keys = append(keys, bytes.Clone(key))
		return len(keys) < purgeChunk
	})
	return keys, err
}

// remove forgets a watch.
func (b *ruleBook) remove(ctx stream.Context, rule string, key []byte) {
	delete(b.watches, string(key))
	store := ctx.Store(storeRules)
	store.Delete(bytes.Clone(key))
	store.Delete(restKey(rule, key))
	ctx.DeleteTimer(bytes.Clone(key))
}
